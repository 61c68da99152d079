"""The Node process with BullMQ that interop tests work with."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "node"
PACKAGES = ("bullmq", "bullmq5", "express", "@bull-board/api", "@bull-board/express")


class NodeError(Exception):
    """What Node threw. `code` is its number, if it has one."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code = error["code"]
        self.name = error["name"]


def missing() -> str:
    """What is not here that interop tests need; empty if all is."""
    if shutil.which("node") is None:
        return "Node is not installed"
    if lacking := [name for name in PACKAGES if not (HERE / "node_modules" / name).is_dir()]:
        return f"{', '.join(lacking)} not installed (npm ci in tests/interop/node)"
    return ""


class Peer:
    """BullMQ for Node. Every request is an operation of `peer.mjs`: `await node("add", queue=…, name=…)`."""

    def __init__(self, version: int, process: asyncio.subprocess.Process) -> None:
        self.version = version
        self.events: list[dict[str, Any]] = []
        """What its QueueEvents told: kind, queue, fields."""
        self._process = process
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._complaints: list[str] = []
        self._reading = asyncio.ensure_future(self._read())
        self._listening = asyncio.ensure_future(self._listen())

    @staticmethod
    @asynccontextmanager
    async def start(version: int, socket: str) -> AsyncIterator[Peer]:
        process = await asyncio.create_subprocess_exec(
            "node",
            str(HERE / "peer.mjs"),
            str(version),
            socket,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=2**24,
        )
        peer = Peer(version, process)
        try:
            await peer._within_30_s(peer._ready, "to start")
            yield peer
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await peer._reading
            await peer._listening
            transport: Any = process._transport  # pyright: ignore
            transport.close()
            await asyncio.sleep(0)

    async def __call__(self, op: str, **arguments: Any) -> Any:
        """Do an operation there; its result, or what it threw as a `NodeError`."""
        if self._reading.done():
            raise self._gone()
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"request": number, "op": op, **arguments}).encode() + b"\n")
        with contextlib.suppress(ConnectionError):  # it is gone: the answer says so
            await self._process.stdin.drain()
        return await self._within_30_s(answer, op)

    def told(self, kind: str, job_id: str) -> list[dict[str, Any]]:
        """The fields of the events of this kind about this job."""
        return [
            item["fields"] for item in self.events if item["event"] == kind and item["fields"].get("jobId") == job_id
        ]

    async def _within_30_s(self, answer: asyncio.Future[Any], what: str) -> Any:
        try:
            return await asyncio.wait_for(answer, 30)
        except TimeoutError:
            raise TimeoutError(f"Node had 30 s {what}\n{self._stderr()}") from None

    def _gone(self) -> ConnectionError:
        return ConnectionError(f"the Node process has ended\n{self._stderr()}")

    def _stderr(self) -> str:
        return "".join(self._complaints[-50:])

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self._complaints.append(line.decode(errors="replace"))

    async def _read(self) -> None:
        try:
            await self._take_answers()
        finally:
            await self._listening  # what it said at last
            for answer in (self._ready, *self._waiting.values()):
                if not answer.done():
                    answer.set_exception(self._gone())
                    answer.exception()  # nobody may be waiting

    async def _take_answers(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            message = json.loads(line)
            if "ready" in message:
                self._ready.set_result(None)
            elif "event" in message:
                self.events.append(message)
            else:
                answer = self._waiting.pop(message["reply"])
                if answer.done():
                    continue
                if "error" in message:
                    answer.set_exception(NodeError(message["error"]))
                else:
                    answer.set_result(message["result"])
