"""Every trap of both parts of the wire specification has a test, or a reason why not."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.traps import not_applicable

HERE = Path(__file__).parent
WITH_NODE = HERE.parent / "interop" / "test_traps.py"
NAME = re.compile(r"test_trap_(\d\d)_[a-z]\w+")
NAME_OF_PART_2 = re.compile(r"test_part_2_trap_(\d\d)_[a-z]\w+")
"""With Node, where both parts are in one file."""


def numbers_in(file: Path, name: re.Pattern[str]) -> set[int]:
    """The numbers in the names of a file's tests; a test named otherwise has no place among the traps."""
    tree = ast.parse(file.read_text())
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {int(found.group(1)) for function in names if (found := name.fullmatch(function))}


def misnamed(file: Path) -> list[str]:
    tree = ast.parse(file.read_text())
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    tests = [name for name in names if name.startswith("test")]
    return [name for name in tests if not (NAME.fullmatch(name) or NAME_OF_PART_2.fullmatch(name))]


PARTS = {
    "part 1": (
        59,
        numbers_in(HERE / "test_part_1.py", NAME) | numbers_in(WITH_NODE, NAME),
        not_applicable.PART_1,
    ),
    "part 2": (
        40,
        numbers_in(HERE / "test_part_2.py", NAME) | numbers_in(WITH_NODE, NAME_OF_PART_2),
        not_applicable.PART_2,
    ),
}


@pytest.mark.parametrize("part", PARTS)
def test_every_trap_has_tests_or_one_reason_why_not(part: str) -> None:
    last, tested, reasons = PARTS[part]
    for number in range(1, last + 1):
        assert number in tested or number in reasons, (
            f"trap {number} of {part} has neither a test nor a reason in not_applicable.py"
        )
        assert not (number in tested and number in reasons), f"trap {number} of {part} has a test and a reason why not"
    assert tested | reasons.keys() <= set(range(1, last + 1))


@pytest.mark.parametrize("part", PARTS)
def test_every_reason_says_something(part: str) -> None:
    _, _, reasons = PARTS[part]
    assert all(reason.strip() for reason in reasons.values())


@pytest.mark.parametrize(
    "file", [HERE / "test_part_1.py", HERE / "test_part_2.py", WITH_NODE], ids=lambda file: file.name
)
def test_every_test_among_the_traps_has_its_number(file: Path) -> None:
    assert misnamed(file) == []
