"""Runs the measures: ours and Node's in turn on one server, each run in a process and on a queue of its own."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from .. import Connection, OptionsError, OxcartError, embedded
from .figures import Run
from .measures import MEASURES, Measure, Task
from .node import Node, find_node
from .report import Report
from .server import Server

DEADLINE_S = 600
OURS = [sys.executable, "-m", "oxcart.bench.child"]


class RunFailed(OxcartError):
    """A run did not come to its end."""


def bench(
    url: str | None,
    node_modules: Path | None,
    pairs: int,
    quick: bool,
    only: Sequence[str],
    tell: Callable[[str], None],
) -> Report:
    """Measure, and report. Without a URL on a server of our own, started for it and gone afterwards."""
    measures = _chosen(only)
    node = find_node(node_modules)
    with _server(url) as server:
        report = Report(_facts(server, node, pairs, quick))
        for measure in measures:
            report.ours[measure.name], report.node[measure.name] = [], []
            for number in range(1, pairs + 1):
                tell(f"{measure.name}, {number} of {pairs}")
                report.ours[measure.name].append(_measure(OURS, server, measure, quick))
                if node is not None:
                    report.node[measure.name].append(_measure(node.command, server, measure, quick))
    return report


def _chosen(names: Sequence[str]) -> list[Measure]:
    known = [measure.name for measure in MEASURES]
    for name in names:
        if name not in known:
            raise OptionsError(f"--only: there is no measure {name!r}, but {', '.join(known)}")
    return [measure for measure in MEASURES if not names or measure.name in names]


@contextmanager
def _server(url: str | None) -> Generator[Server, None, None]:
    named = url or os.environ.get("OXCART_REDIS_URL") or os.environ.get("REDIS_URL")
    with ExitStack() as stack:
        if named is None or embedded.is_embedded(Connection(named).url):
            directory = None if named is None else embedded.directory_of(named)
            try:
                place = stack.enter_context(embedded.running(directory))
            except (embedded.ServerNotFound, embedded.ServerFailed) as error:
                raise RunFailed(str(error)) from None
        else:
            place = named
        yield stack.enter_context(closing(Server(place, ours=named is None)))


def _facts(server: Server, node: Node | None, pairs: int, quick: bool) -> dict[str, Any]:
    """What the figures depend on."""
    try:
        uvloop = importlib.metadata.version("uvloop")
    except importlib.metadata.PackageNotFoundError:
        uvloop = None
    return {
        "oxcart": importlib.metadata.version("oxcart"),
        "python": platform.python_version(),
        "uvloop": uvloop,
        "node": node and node.version,
        "bullmq": node and node.bullmq,
        "server": server.version,
        "append_only_file": server.persistent,
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "pairs": pairs,
        "quick": quick,
    }


def _measure(command: list[str], server: Server, measure: Measure, quick: bool) -> Run:
    """One run of one side. Its keys are removed whatever happens."""
    task = measure.task(server.url, f"oxcart-bench-{secrets.token_hex(6)}", quick)
    try:
        with _child(command, measure.name) as say_and_hear:
            say_and_hear(task.as_message())
            redis_s, all_s = server.cpu_s(), _machine_cpu_s()
            taken = say_and_hear("go")
            redis_s, all_s = server.cpu_s() - redis_s, _machine_cpu_s() - all_s
            return _run_of(task, taken, redis_s, all_s)
    finally:
        server.forget(task.queue)


def _run_of(task: Task, taken: dict[str, Any], redis_s: float, all_s: float) -> Run:
    client_s = taken["client_cpu_s"]
    others_s = max(0.0, all_s - redis_s - client_s)
    return Run(task.jobs, taken["seconds"], client_s, redis_s, tuple(taken["waits_ms"]), others_s)


def _machine_cpu_s() -> float:
    """CPU time that all cores were busy so far, in our work or in others'; 0 where it isn't told."""
    try:
        line = Path("/proc/stat").read_text().split("\n", 1)[0]
    except OSError:
        return 0
    user, nice, system, _idle, _waiting, *interrupts_and_stolen = map(int, line.split()[1:9])
    return (user + nice + system + sum(interrupts_and_stolen)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _child(command: list[str], name: str) -> Generator[Callable[[Any], dict[str, Any]], None, None]:
    """A process that is told a line and answers a line. One that fails, or takes too long, is a `RunFailed`."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None and stdout is not None
        deadline = threading.Timer(DEADLINE_S, process.kill)
        deadline.start()

        def say_and_hear(message: Any) -> dict[str, Any]:
            with suppress(BrokenPipeError):  # it has ended: why is told below
                print(message if isinstance(message, str) else json.dumps(message), file=stdin, flush=True)
            answer = stdout.readline()
            if not answer:
                raise RunFailed(f"{name} by {Path(command[0]).name} {_why(process, errors, deadline)}")
            return json.loads(answer)

        try:
            yield say_and_hear
            if process.wait() != 0:
                raise RunFailed(f"{name} by {Path(command[0]).name} {_why(process, errors, deadline)}")
        finally:
            deadline.cancel()
            process.kill()
            with suppress(BrokenPipeError):  # what it did not want to hear
                stdin.close()


def _why(process: subprocess.Popen[str], errors: IO[str], deadline: threading.Timer) -> str:
    code = process.wait()
    if deadline.finished.is_set():
        return f"took longer than {DEADLINE_S} s"
    errors.seek(0)
    said = errors.read().strip().splitlines()
    return f"ended with {code}: {said[-1] if said else 'it said nothing'}"
