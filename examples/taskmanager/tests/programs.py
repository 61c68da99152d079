"""Programs that tests start: the application's own, and a worker that is killed."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

FOLDER = Path(__file__).parents[1]

HOLDS = """
import asyncio, sys
from oxcart import Worker

async def hold(job):
    print("holds", flush=True)
    await asyncio.sleep(600)

asyncio.run(Worker("email", hold, connection=sys.argv[1], lock_duration=1, stalled_interval=0.3).run())
"""


async def run(*arguments: str) -> tuple[int | None, str]:
    """Run a Python program to its end: the exit code, and what it says."""
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE, stderr=STDOUT, cwd=FOLDER)
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def hold_and_die(redis_url: str) -> None:
    """A worker that takes the next mail and is killed with it."""
    async with Program("-c", HOLDS, redis_url).running() as holder:
        await holder.says("holds")
        holder.kill()


class Program:
    """A Python program that runs beside the test.

    Example: `async with Program("-m", "uvicorn", "taskmanager.app:app").running() as web: await web.says("started")`
    """

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self.said = ""
        self._process: asyncio.subprocess.Process | None = None

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Program, None]:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._arguments,
            stdout=PIPE,
            stderr=STDOUT,
            cwd=FOLDER,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        try:
            yield self
        finally:
            with suppress(ProcessLookupError):
                self._process.terminate()
            await self._process.communicate()

    async def says(self, pattern: str, timeout: float = 60) -> re.Match[str]:
        """Wait until it says something that it hasn't said when this was called last."""
        assert self._process is not None and self._process.stdout is not None
        async with asyncio.timeout(timeout):
            while True:
                line = (await self._process.stdout.readline()).decode()
                assert line, f"it ended before it said {pattern!r}: {self.said}"
                self.said += line
                if found := re.search(pattern, line):
                    return found

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
