"""The documentation names all that there is, and its links lead somewhere."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import oxcart
import oxcart.dashboard
import oxcart.sync
from oxcart import JobOptions, Worker, errors
from oxcart.cli.main import cli
from oxcart.dashboard.access import ACTIONS
from oxcart.protocol.events import KINDS
from oxcart.worker.listeners import WorkerEvent
from tests.conftest import in_ci
from tests.docs.snippets import PAGES, ROOT, blocks
from tests.interop.peer import missing

DOCS = ROOT / "docs"
ALL_TEXT = "\n".join(page.read_text() for page in PAGES)


def table_rows(page: str) -> set[str]:
    """What stands first in the rows of a page's tables, without the code marks."""
    first = re.findall(r"^\| ([^|]+) \|", (DOCS / "reference" / page).read_text(), re.MULTILINE)
    return {name for cell in first for name in re.findall(r"`([^`]+)`", cell)}


# ------------------------------------------------------------------------------------------------- completeness


@pytest.mark.parametrize("name", sorted({*oxcart.__all__, *oxcart.sync.__all__, *oxcart.dashboard.__all__}))
def test_every_public_name_is_in_the_documentation(name: str) -> None:
    assert re.search(rf"\b{name}\b", ALL_TEXT)


def test_every_option_error_event_and_command_is_in_the_reference() -> None:
    worker_options = {
        name
        for name, parameter in inspect.signature(Worker).parameters.items()
        if parameter.kind.name == "KEYWORD_ONLY"
    }
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.OxcartError | errors.Steering)
    }
    headings = re.findall(r"^## oxcart (.+)$", (DOCS / "reference/cli.md").read_text(), re.MULTILINE)
    assert set(JobOptions.__annotations__) <= table_rows("options.md")
    assert worker_options <= table_rows("worker.md")
    assert {*KINDS, *get_args(WorkerEvent)} <= table_rows("events.md")
    assert classes <= table_rows("errors.md")
    assert set(cli.commands) <= set(headings)


def test_every_option_of_the_dashboard_is_on_its_page() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", (DOCS / "dashboard.md").read_text(), re.MULTILINE))
    assert set(inspect.signature(oxcart.dashboard.Dashboard).parameters) <= rows
    assert rows >= ACTIONS


@pytest.mark.parametrize(
    "kind", [oxcart.Queue, oxcart.QueueView, oxcart.Job, oxcart.QueueEvents], ids=lambda k: k.__name__
)
def test_every_method_and_attribute_is_somewhere_in_the_documentation(kind: type) -> None:
    names = {name for one in kind.__mro__ if one.__module__.startswith("oxcart") for name in vars(one)}
    unnamed = {name for name in names if not name.startswith("_") and not re.search(rf"\b{name}\b", ALL_TEXT)}
    assert unnamed - NOT_FOR_USERS == set()


NOT_FOR_USERS = {"attempt", "on_progress"}
"""What a worker keeps in its jobs."""


def test_the_generated_pages_are_current() -> None:
    command = [sys.executable, str(ROOT / "tools/docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# ------------------------------------------------------------------------------------------------ BullMQ's names

REFLECT = """
const { Queue, Job, Worker, QueueEvents, QueueEventsProducer, FlowProducer } = await import('bullmq');
const found = {};
for (const kind of [Queue, Job, Worker, QueueEvents, QueueEventsProducer, FlowProducer]) {
  const names = new Set(Object.getOwnPropertyNames(kind));
  for (let at = kind.prototype; at.constructor.name !== 'EventEmitter' && at !== Object.prototype;) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
    at = Object.getPrototypeOf(at);
  }
  found[kind.name] = [...names];
}
console.log(JSON.stringify(found));
"""

# What can be seen of an object of JavaScript, but is not meant for its users.
INNER_NAMES = frozenset(
    """
    constructor length prototype name
    Job base64Name checkConnectionError clientName createBackend trace baseGetClients commandByType parseClientList
    recordJobCountsMetric sanitizeJobTypes addJob jobScheduler
    getSpanOperation isInState recordJobMetrics setSpanJobAttributes shouldRetryJob toFlowEntry updateStacktrace
    validateOptions
    _getNextJob callProcessJob createJob createLockManager createSandbox getBlockTimeout getRateLimitDelay
    getUnrecoverableErrorMessage handleCompleted handleFailed isRateLimited mainLoop maximumBlockTimeout
    minimumBlockTimeout moveLimitedBackToWait moveStalledJobsToWait moveToActive nextJobFromJobData retryIfFailed
    stalledChecker updateDelays waitForJob waitForRateLimit whenCurrentJobsFinished
    consumeEvents addChildren addNode addNodes collectFlowEntry getChildren getNode queueFromNode toFlowError
    validateFlowJobs
    """.split()
)


@pytest.mark.interop
def test_every_name_of_bullmq_is_in_the_table() -> None:
    if lack := missing():
        (pytest.fail if in_ci() else pytest.skip)(f"BullMQ for Node: {lack}")
    command = ["node", "--input-type=module", "--eval", REFLECT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT / "tests/interop/node")
    table = (DOCS / "reference/bullmq.md").read_text()
    lacking = {
        f"{kind}.{name}"
        for kind, names in json.loads(done.stdout).items()
        for name in set(names) - INNER_NAMES
        if not re.search(rf"`[^`|]*\b{name}\b[^`|]*`", table)
    }
    assert lacking == set()


# --------------------------------------------------------------------------------------------------------- links


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the site and GitHub make them."""
    code = {line for block in blocks(page) for line in block.code.split("\n")}
    headings = [line for line in page.read_text().split("\n") if line.startswith("#") and line not in code]
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", line.lstrip("#").strip().lower())) for line in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_inside_the_documentation_lead_somewhere(page: Path) -> None:
    broken: list[str] = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_every_page_is_in_the_sites_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    assert [page.name for page in DOCS.rglob("*.md") if page.relative_to(DOCS).as_posix() not in navigation] == []
