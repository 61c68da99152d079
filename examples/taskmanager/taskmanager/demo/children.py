"""The demo's processes: started on a leash, read line by line, stopped."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

LEASH = str(Path(__file__).with_name("leash.py"))
STOP_WITHIN_S = 12

OnLine = Callable[[str, str], None]
"""Gets the name of a process, and a line that it has written."""


class Child:
    """A process that ends with us. `last_line` is what it said last."""

    def __init__(self, name: str, leash: asyncio.subprocess.Process, on_line: OnLine) -> None:
        self.name = name
        self.last_line = ""
        self._leash = leash
        self._on_line = on_line
        self.ended = asyncio.ensure_future(self._follow())
        """Done when the process has ended; its exit code."""

    async def _follow(self) -> int:
        assert self._leash.stdout is not None
        async for raw in self._leash.stdout:
            line = raw.decode(errors="replace").rstrip()
            if line:
                self.last_line = line
                self._on_line(self.name, line)
        return await self._leash.wait()

    async def stop(self) -> None:
        """Let go of the leash, and wait until the process has ended."""
        assert self._leash.stdin is not None
        self._leash.stdin.close()
        try:
            await asyncio.wait_for(asyncio.shield(self.ended), STOP_WITHIN_S)
        except TimeoutError:
            self._leash.kill()


@asynccontextmanager
async def running(
    name: str, command: list[str], environment: Mapping[str, str], folder: Path, on_line: OnLine
) -> AsyncGenerator[Child, None]:
    """A Python program (`command` is what follows `python`) that runs while the block does."""
    leash = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", LEASH, sys.executable, *command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        cwd=folder,
        start_new_session=True,  # Ctrl-C in the terminal is for us alone; we stop the others in order
    )
    child = Child(name, leash, on_line)
    try:
        yield child
    finally:
        await child.stop()
