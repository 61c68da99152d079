"""The Node process with BullMQ that interop tests work with."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import shutil
import subprocess
import threading
from collections import deque
from concurrent.futures import Future
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "node"
ANSWER_S = 30
"""How long an operation may take, and Node to start."""


class NodeError(Exception):
    """What Node threw. `code` is its number, if it has one."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code = error["code"]
        self.name = error["name"]


class PeerGone(Exception):
    """The Node process ended, or does not answer. The text has what it wrote to stderr."""


def missing() -> str:
    """What is not here that interop tests need; empty if all is."""
    if shutil.which("node") is None:
        return "Node is not installed"
    if not all((HERE / "node_modules" / name).is_dir() for name in ("bullmq", "bullmq5", "@bull-board/api")):
        return "the Node packages are not installed (npm ci in tests/interop/node)"
    return ""


class Peer:
    """BullMQ for Node. Every request is an operation of `peer.mjs`: `await node("add", queue=…, name=…)`.

    It belongs to no event loop, since tests share it, each with a loop of its own; `reset` comes between them.
    """

    def __init__(self, version: int, process: subprocess.Popen[bytes]) -> None:
        self.version = version
        self.events: list[dict[str, Any]] = []
        """What its QueueEvents told: kind, queue, fields."""
        self._process = process
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._said: deque[str] = deque(maxlen=50)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._read_errors)]
        for thread in self._threads:
            thread.start()

    @classmethod
    def start(cls, version: int, socket: str) -> Peer:
        """Start Node with this version of BullMQ; returns when it answers. To be closed, or used in `async with`."""
        process = subprocess.Popen(
            ["node", str(HERE / "peer.mjs"), str(version), socket],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        peer = cls(version, process)
        if not peer._ready.wait(ANSWER_S) or not peer.alive:
            peer.close()
            raise PeerGone(f"Node with BullMQ {version} did not start:\n{peer.stderr}")
        return peer

    async def __aenter__(self) -> Peer:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def __call__(self, op: str, **arguments: Any) -> Any:
        """Do an operation there; its result, or what it threw as a `NodeError`."""
        number = next(self._numbers)
        answer: Future[Any] = Future()
        with self._lock:
            self._waiting[number] = answer
        line = json.dumps({"request": number, "op": op, **arguments}).encode() + b"\n"
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(line)
            self._process.stdin.flush()
            return await asyncio.wait_for(asyncio.wrap_future(answer), ANSWER_S)
        except TimeoutError:
            raise PeerGone(f"no answer from Node to {op} in {ANSWER_S} s:\n{self.stderr}") from None
        except (OSError, ValueError) as error:
            raise PeerGone(f"Node is gone, asked to {op}:\n{self.stderr}") from error

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def stderr(self) -> str:
        """The last lines that Node wrote there."""
        return "\n".join(self._said)

    def told(self, kind: str, job_id: str) -> list[dict[str, Any]]:
        """The fields of the events of this kind about this job."""
        return [
            item["fields"] for item in self.events if item["event"] == kind and item["fields"].get("jobId") == job_id
        ]

    async def reset(self) -> None:
        """Close its queues, workers and listeners, for the next test."""
        await self("reset")
        self.events.clear()

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.kill()
        for thread in self._threads:
            thread.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # what was still to be written
                    pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if "ready" in message:
                self._ready.set()
            elif "event" in message:
                self.events.append(message)
            else:
                self._answer(message)
        self._ready.set()
        with self._lock:
            for answer in self._waiting.values():
                if answer.set_running_or_notify_cancel():
                    answer.set_exception(PeerGone(f"Node ended:\n{self.stderr}"))
            self._waiting.clear()

    def _answer(self, message: dict[str, Any]) -> None:
        with self._lock:
            answer = self._waiting.pop(message["reply"])
        if not answer.set_running_or_notify_cancel():
            return  # nobody waits for it any more
        if "error" in message:
            answer.set_exception(NodeError(message["error"]))
        else:
            answer.set_result(message["result"])

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line.decode(errors="replace").rstrip())
