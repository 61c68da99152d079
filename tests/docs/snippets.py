"""Snippets: the code blocks of the documentation, and a way to run those of a page as one program.

The rules for who writes docs:

- The ```` ```python ```` blocks of a page run in their order, in one namespace, with `await` wherever it is needed.
- A block without `await` at its top level runs in a thread, so that it may block, unless it makes a task.
- A block whose first line is `# name.py` is that module: it is written to a file and imported, and what it defines is
  there for the blocks after it.
- `await worker.run()` starts the worker and goes on as soon as nothing waits for it any more; it works until the end of
  the page.
- `expression  # → text` is checked: `text` is what is printed by a `print(…)`, else what `repr` says (of a `JobState`
  only its text); `…` is anything.
- `<!-- no-run: reason -->` on the line before a block keeps it from being run.
- The pages of the tutorial build up one program: the modules of the pages before, in the order of the site's
  navigation, are there for the blocks of a page.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any
from unittest.mock import patch

from oxcart import Connection, Worker
from oxcart.protocol.calls import read, steer
from oxcart.sync import Connection as SyncConnection
from tests.conftest import wait_until

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

TUTORIAL = tuple(ROOT / "docs" / name for name in re.findall(r"\btutorial/\w+\.md", (ROOT / "mkdocs.yml").read_text()))
"""The pages of the tutorial, in the order in which they are read."""

SOON_S = 5
"""How long what a page shows of a name may take to be so."""

_FENCE = re.compile(r"(?P<indent> *)(?P<ticks>```+)(?P<language>\w*)")
_NO_RUN = re.compile(r"\s*<!-- no-run: (.+) -->")
_MODULE = re.compile(r"# (\w+)\.py$")
_STATE = re.compile(r"<JobState\.\w+: (.+?)>")
_SHOWN = re.compile(r"\)?.*  # → (.*)$")


@dataclass(frozen=True)
class Block:
    """One block of code. `line` is that of its fence; `no_run` says why it is not run."""

    page: Path
    line: int
    language: str
    code: str
    no_run: str | None = None

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def module(self) -> str | None:
        """The module that it is, if its first line says so."""
        found = _MODULE.match(self.code.split("\n", 1)[0])
        return found.group(1) if found else None


def blocks(page: Path) -> Iterator[Block]:
    """All blocks of a page."""
    lines = page.read_text().split("\n")
    at = 0
    while at < len(lines):
        opened = _FENCE.match(lines[at])
        if opened is None:
            at += 1
            continue
        closing = opened["indent"] + opened["ticks"]
        end = next(n for n in range(at + 1, len(lines)) if lines[n].rstrip() == closing)
        reason = _NO_RUN.match(lines[at - 1]) if at else None
        code = textwrap.dedent("\n".join(lines[at + 1 : end]))
        yield Block(page, at + 1, opened["language"], code, reason.group(1) if reason else None)
        at = end + 1


def python_blocks(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language == "python"]


def modules_before(page: Path) -> list[Block]:
    """The modules of the tutorial's pages before this one."""
    before = TUTORIAL[: TUTORIAL.index(page)] if page in TUTORIAL else ()
    return [block for one in before for block in python_blocks(one) if block.module and block.no_run is None]


class Wrong(AssertionError):
    """What a page says is not so."""


@dataclass
class Program:
    """The blocks of one page while they run, in a folder of their own that modules can be imported from."""

    folder: Path
    module: ModuleType = field(default_factory=lambda: ModuleType("page"))
    workers: list[tuple[Worker, asyncio.Task[None]]] = field(default_factory=list[tuple[Worker, asyncio.Task[None]]])
    connections: list[Any] = field(default_factory=list[Any])
    printed: list[str] = field(default_factory=list[str])

    def know(self, modules: list[Block]) -> None:
        """Write these modules; of two with the same name the later one stays."""
        for block in modules:
            self._write(block)

    async def run(self, all_blocks: list[Block]) -> None:
        """Run them all; then end what they have started."""
        self.names["print"] = self._print
        # Classes of a page belong to a module that can be found, as dataclasses want it.
        sys.modules["page"] = self.module
        with self._workers_run_beside(), self._connections_kept():
            try:
                for block in all_blocks:
                    if block.no_run is None:
                        await self._run(block)
            finally:
                del sys.modules["page"]
                await self._end()

    @property
    def names(self) -> dict[str, Any]:
        return vars(self.module)

    async def _run(self, block: Block) -> None:
        if (name := block.module) is not None:
            self._write(block)
            importlib.invalidate_caches()
            module = importlib.import_module(name)
            self.names.update({key: value for key, value in vars(module).items() if not key.startswith("__")})
            return
        # The lines keep their numbers in the page, so that an error leads there.
        tree = ast.parse("\n" * block.line + block.code, str(block.page))
        awaits = bool(_compiled(tree, block).co_flags & inspect.CO_COROUTINE)
        code = _compiled(ast.fix_missing_locations(_Checks(block, awaits).visit(tree)), block)
        self.names["__check__"], self.names["__check_soon__"] = self._check, self._check_soon
        if code.co_flags & inspect.CO_COROUTINE:
            await FunctionType(code, self.names)()
        elif "asyncio.create_task(" in block.code:
            exec(code, self.names)
        else:
            await asyncio.to_thread(exec, code, self.names)

    def _write(self, block: Block) -> None:
        (self.folder / f"{block.module}.py").write_text(block.code + "\n")

    def _print(self, *values: object) -> None:
        self.printed.append(" ".join(map(str, values)))

    def _check(self, place: str, expected: str, was_print: bool, value: object) -> None:
        found = self.printed.pop() if was_print else _STATE.sub(r"\1", repr(value))
        pattern = ".*".join(map(re.escape, expected.split("…")))
        if not re.fullmatch(pattern, found, re.DOTALL):
            raise Wrong(f"{place}: says {expected!r}, but it is {found!r}")

    async def _check_soon(self, place: str, expected: str, was_print: bool, value: object) -> None:
        """The same for what a name stands for: callbacks of workers may add to it a moment later."""
        ends = asyncio.get_running_loop().time() + SOON_S
        while True:
            try:
                return self._check(place, expected, was_print, value)
            except Wrong:
                if asyncio.get_running_loop().time() > ends:
                    raise
            await asyncio.sleep(0.01)

    @contextmanager
    def _workers_run_beside(self) -> Iterator[None]:
        run = Worker.run

        async def run_beside(worker: Worker) -> None:
            task = asyncio.create_task(run(worker))
            self.workers.append((worker, task))

            async def at_rest() -> bool:
                return task.done() or await _at_rest(worker)

            await wait_until(at_rest)

        with patch.object(Worker, "run", run_beside):
            yield

    @contextmanager
    def _connections_kept(self) -> Iterator[None]:
        """Knows all connections, also of objects that a page has no name for any more."""

        def kept(kind: Any) -> Any:
            make = kind.__init__

            def init(connection: Any, *args: Any, **kwargs: Any) -> None:
                make(connection, *args, **kwargs)
                self.connections.append(connection)

            return patch.object(kind, "__init__", init)

        with kept(Connection), kept(SyncConnection):
            yield

    async def _end(self) -> None:
        here = asyncio.get_running_loop()
        for worker, task in self.workers:
            if task.get_loop() is here:
                await worker.close(timeout=1)
                await task
        named = [value for value in self.names.values() if type(value).__module__.startswith("oxcart.")]
        for value in [*named, *self.connections]:
            if (close := getattr(value, "close", None)) is not None:
                closing = close()
                if inspect.isawaitable(closing):
                    await closing


def _compiled(tree: ast.Module, block: Block) -> CodeType:
    return compile(tree, str(block.page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


async def _at_rest(worker: Worker) -> bool:
    """Whether nothing is active, and nothing waits that could be taken."""
    counts = await worker._connection.run(read.counts(worker.keys))
    limited = await worker._connection.run(steer.rate_limit_ttl(worker.keys, worker._limits.limit_max))
    held_up = worker.paused or counts["paused"] > 0 or limited > 0
    return counts["active"] == 0 and (held_up or counts["waiting"] + counts["prioritized"] == 0)


class _Checks(ast.NodeTransformer):
    """Makes a check of each expression whose line ends with `# → …`."""

    def __init__(self, block: Block, awaits: bool) -> None:
        self._block = block
        self._awaits = awaits
        lines = block.code.split("\n")
        self._left = {n + block.line + 1: m.group(1) for n, line in enumerate(lines) if (m := _SHOWN.match(line))}

    def visit_Module(self, node: ast.Module) -> ast.Module:
        self.generic_visit(node)
        if self._left:
            line = min(self._left)
            raise Wrong(f"{self._block.page.relative_to(ROOT)}:{line}: no expression stands before this '# → …'")
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        expected = self._left.pop(node.end_lineno or 0, None)
        if expected is None:
            return node
        was_print = (
            isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name) and node.value.func.id == "print"
        )
        place = f"{self._block.page.relative_to(ROOT)}:{node.end_lineno}"
        arguments: list[ast.expr] = [ast.Constant(place), ast.Constant(expected), ast.Constant(was_print), node.value]
        soon = self._awaits and isinstance(node.value, ast.Name)
        call = ast.Call(ast.Name("__check_soon__" if soon else "__check__", ast.Load()), arguments, [])
        return ast.copy_location(ast.Expr(ast.Await(call) if soon else call), node)
