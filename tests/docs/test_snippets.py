"""Every snippet of the documentation runs, and what it shows is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from oxcart.cli.main import cli
from tests.docs.conftest import NewProgram
from tests.docs.snippets import PAGES, ROOT, Block, Program, Wrong, blocks, modules_before, python_blocks

TRIES = 3
"""How often a page of those may try that say how long something takes: the machine may be busy with much else."""

MOST_NOT_RUN = 5
"""How many blocks may be left out, each with its reason."""


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


WITH_PYTHON = [page for page in PAGES if python_blocks(page)]
TIMED = [page for page in WITH_PYTHON if "perf_counter" in page.read_text()]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name)
async def test_the_snippets_of_a_page_run(page: Path, new_program: NewProgram) -> None:
    for left in range(TRIES - 1, -1, -1):
        program = await new_program()
        program.know(modules_before(page))
        try:
            await program.run(python_blocks(page))
            return
        except Wrong:
            if not left or page not in TIMED:
                raise


def test_few_snippets_are_left_out_and_each_says_why() -> None:
    left_out = [f"{block.place}: {block.no_run}" for page in PAGES for block in blocks(page) if block.no_run]
    assert len(left_out) <= MOST_NOT_RUN, "\n".join(left_out)


def test_every_block_names_its_language() -> None:
    assert [block.place for page in PAGES for block in blocks(page) if not block.language] == []


async def test_a_wrong_snippet_is_noticed(program: Program) -> None:
    wrong = Block(ROOT / "README.md", 1, "python", "x = 1\nx + 1  # → 3")
    with pytest.raises(Wrong, match=r"README.md:3: says '3', but it is '2'"):
        await program.run([wrong])


# ------------------------------------------------------------------------------------------------ command lines


def command_lines() -> list[tuple[str, str]]:
    """What is typed in the blocks of the shell, with its place."""
    found: list[tuple[str, str]] = []
    for page in PAGES:
        for block in blocks(page):
            if block.language in ("console", "sh", "bash"):
                lines = block.code.replace("\\\n", " ").split("\n")
                typed = [
                    line.removeprefix("$ ") for line in lines if line.startswith("$ ") or block.language != "console"
                ]
                found += [(block.place, line) for line in typed if line]
    return found


@pytest.mark.parametrize(("place", "line"), [case for case in command_lines() if case[1].startswith("oxcart ")])
def test_a_command_line_is_one_that_the_command_takes(place: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    if words[0].startswith("-"):
        cli.make_context("oxcart", words, resilient_parsing=True)
        return
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None, f"{place}: there is no command {words[0]!r}"
    command.make_context(words[0], words[1:])


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {(place, line.split()[1]) for place, line in command_lines() if line.startswith("make ")}
    assert {case for case in named if case[1] not in targets} == set()
