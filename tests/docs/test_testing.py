"""The page about testing: its files make a project whose tests pass, as they stand there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.snippets import ROOT, python_blocks

PAGE = ROOT / "docs/guides/testing.md"


def project(folder: Path, **changed: tuple[str, str]) -> subprocess.CompletedProcess[str]:
    """Write the page's files, each with a change if one is named, and run its tests."""
    for block in python_blocks(PAGE):
        assert block.module is not None
        code = block.code
        if block.module in changed:
            assert changed[block.module][0] in code
            code = code.replace(*changed[block.module])
        (folder / f"{block.module}.py").write_text(code)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "OXCART_REDIS_URL"))},
    )


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    done = project(tmp_path)
    assert "5 passed" in done.stdout, done.stdout + done.stderr


def test_the_tests_of_the_page_fail_if_the_application_is_wrong(tmp_path: Path) -> None:
    done = project(tmp_path, mails=("Welcome, {name}!", "Welcome!"))
    assert "3 failed, 2 passed" in done.stdout, done.stdout + done.stderr
