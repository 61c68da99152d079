"""The scripts' headers are true: checked without a server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from oxcart.errors import known_refusals
from oxcart.protocol import scripts
from oxcart.protocol.call import call
from oxcart.protocol.keys import SUFFIXES, Keys

NAMES = sorted(file.stem for file in scripts.FOLDER.glob("*.lua"))
INCLUDES = sorted(file.stem for file in (scripts.FOLDER / "includes").glob("*.lua"))
EXTRA_KEYS = set(
    "receipt holder aside policies running paused_schedulers check step_m step_h step_d step_total failures marks "
    "versions cancels".split()
)
"""What scripts call keys that are only Oxcart's, or somebody else's."""


def all_includes(name: str) -> set[str]:
    return _reachable(scripts.read_header((scripts.FOLDER / f"{name}.lua").read_text()).include)


@pytest.mark.parametrize("name", NAMES)
def test_every_key_that_a_script_uses_is_declared(name: str) -> None:
    script = scripts.load(name)
    used: set[str] = set()
    for file in [f"{name}.lua", *(f"includes/{include}.lua" for include in all_includes(name))]:
        text = (scripts.FOLDER / file).read_text()
        # A parent's keys are made at run time, by this one include.
        used |= set(re.findall(r"\bkeys\.(\w+)", _code(text)))
    assert used <= set(script.keys), f"undeclared: {used - set(script.keys)}"


@pytest.mark.parametrize("name", NAMES)
def test_every_declared_key_has_a_name_on_the_wire(name: str) -> None:
    assert set(scripts.load(name).keys) <= set(SUFFIXES) | EXTRA_KEYS


@pytest.mark.parametrize("name", [*NAMES, *(f"includes/{name}" for name in INCLUDES)])
def test_a_script_starts_with_a_sentence_and_includes_what_it_calls(name: str) -> None:
    text = (scripts.FOLDER / f"{name}.lua").read_text()
    header = scripts.read_header(text)
    assert header.title.endswith((".", ":")) or "," in header.title
    reachable = all_includes(name) if "/" not in name else _reachable(header.include)
    called = {word for word in INCLUDES if re.search(rf"(?<![\w.]){word}\(", _code(text))} - {Path(name).name}
    assert called <= reachable, f"not included: {called - reachable}"


@pytest.mark.parametrize("name", INCLUDES)
def test_an_include_is_one_function_of_its_own_name(name: str) -> None:
    text = (scripts.FOLDER / f"includes/{name}.lua").read_text()
    assert re.findall(r"^local function (\w+)", text, re.M) == [name]


def test_every_include_is_used() -> None:
    assert set().union(*(all_includes(name) for name in NAMES)) == set(INCLUDES)


def test_every_negative_answer_has_an_error_class() -> None:
    answers: set[int] = set()
    for file in scripts.FOLDER.rglob("*.lua"):
        answers |= {int(code) for code in re.findall(r"(?:return|code =) (-\d+)\b", file.read_text())}
    assert answers <= known_refusals()


def test_an_error_names_the_file_and_line_it_came_from() -> None:
    script = scripts.load("settle_and_take")
    line = next(at for at, origin in enumerate(script.origins, 1) if origin == "includes/enqueue.lua:5")
    assert "includes/enqueue.lua:5" in script.explain(f"ERR user_script:{line}: boom script: f00")


def test_a_call_with_a_wrong_argument_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="read_state takes"):
        call("read_state", Keys("q"), str, identity="1")


def test_a_circle_of_includes_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "includes").mkdir()
    (tmp_path / "top.lua").write_text("-- Top.\n-- include: one\n")
    (tmp_path / "includes/one.lua").write_text("-- One.\n-- include: two\n")
    (tmp_path / "includes/two.lua").write_text("-- Two.\n-- include: one\n")
    monkeypatch.setattr(scripts, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="one → two → one"):
        scripts.load.__wrapped__("top")


def _reachable(names: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += scripts.read_header((scripts.FOLDER / f"includes/{name}.lua").read_text()).include
    return found


def _code(text: str) -> str:
    return re.sub(r"--.*", "", text)
