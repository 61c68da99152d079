"""The program that the tutorial builds up works as real processes, and its pages say what they have to."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from tests.conftest import RedisServer, wait_until
from tests.docs.snippets import ROOT, TUTORIAL, blocks, modules_before, python_blocks

DATABASE = 9

INBOX = """
import asyncio
from inbox import Inbox

async def main():
    inbox = Inbox()
    print("port", await inbox.open(), flush=True)
    while not inbox.mails:
        await asyncio.sleep(0.02)
    print(inbox.mails[0], "THE END", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
async def url(redis_server: RedisServer) -> str:
    """The empty database of the snippets."""
    url = f"{redis_server.url}?db={DATABASE}"
    client = Redis.from_url(url)
    await client.flushdb()
    await client.aclose()
    return url


@asynccontextmanager
async def running(*command: str, folder: Path, **environment: str) -> AsyncGenerator[Process, None]:
    """A Python program in the folder with the tutorial's files."""
    paths = os.pathsep.join([str(folder), str(ROOT / "src")])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=folder,
        stdout=PIPE,
        stderr=STDOUT,
        env=os.environ | {"PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"} | environment,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.communicate()


async def says(process: Process, pattern: str) -> re.Match[str]:
    """Wait until it has said something."""
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(60):
        while not (found := re.search(pattern, said, re.DOTALL)):
            line = await process.stdout.readline()
            assert line, said
            said += line.decode()
    return found


async def test_the_program_of_the_tutorial_works_as_processes(tmp_path: Path, url: str) -> None:
    for block in modules_before(TUTORIAL[-1]):
        (tmp_path / f"{block.module}.py").write_text(block.code + "\n")
    worker_line = "oxcart worker worker:worker --processes 2"
    assert worker_line in (ROOT / "docs/tutorial/workers.md").read_text()
    oxcart = ("-c", "import sys; from oxcart.cli.main import main; sys.exit(main())", *worker_line.split()[1:])

    async with running("-c", INBOX, folder=tmp_path) as inbox:
        port = (await says(inbox, r"port (\d+)"))[1]
        settings = {"OXCART_REDIS_URL": url, "SMTP_HOST": "127.0.0.1", "SMTP_PORT": port}
        async with (
            running("-m", "uvicorn", "admin:app", "--port", "0", folder=tmp_path, **settings) as web,
            running(*oxcart, folder=tmp_path, **settings),
        ):
            address = (await says(web, r"running on (http://\S+)"))[1]
            async with httpx.AsyncClient(base_url=address, timeout=60) as browser:
                ada = {"name": "Ada <b>", "email": "ada@example.com", "password": "engine-1843"}
                answer = await browser.post("/auth/register", json=ada)
                assert answer.status_code == 201

                async def completed() -> bool:
                    found = await browser.get(f"/jobs/{answer.json()['job']}")
                    return found.json()["state"] == "completed"

                await wait_until(completed, 60)
                assert (await browser.get("/admin/queues/api/v1/overview")).status_code == 401
            mail = (await says(inbox, r"Subject: .*THE END"))[0]
            assert "Welcome to Task Manager!" in mail and "Ada &lt;b&gt;" in mail


def test_each_page_leads_to_the_next_one() -> None:
    for page, following in itertools.pairwise(TUTORIAL):
        last = page.read_text().rstrip().split("\n")[-1]
        title = following.read_text().split("\n", 1)[0].removeprefix("# ")
        assert last == f"Next: [{title}]({following.name})."


def test_all_pages_are_in_the_navigation() -> None:
    assert sorted(TUTORIAL) == sorted((ROOT / "docs/tutorial").glob("*.md"))


def test_what_is_wrong_is_marked_and_run() -> None:
    wrong = [block for page in TUTORIAL for block in blocks(page) if re.search(r"#.*\bWRONG\b|# wrong", block.code)]
    assert len(wrong) >= 5
    assert all(block.language == "python" and block.no_run is None for block in wrong)


def test_no_snippet_of_the_tutorial_is_left_out() -> None:
    assert [block.place for page in TUTORIAL for block in python_blocks(page) if block.no_run] == []


def test_the_files_that_the_tutorial_names_are_in_the_example() -> None:
    folder = ROOT / "examples/taskmanager"
    for page in TUTORIAL:
        for note in re.findall(r"\*\*In the task manager:\*\* (.*?)\n\n", page.read_text(), re.DOTALL):
            for name in re.findall(r"`([\w./-]+\.\w+|[\w/]+/|\.env\.example|Procfile)`", note):
                assert (folder / "taskmanager" / name).exists() or (folder / name).exists(), (page.name, name)
