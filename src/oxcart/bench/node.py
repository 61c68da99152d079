"""The peer: where Node and a BullMQ package for it are, and how a run of theirs is started."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import OptionsError

USUAL_PLACES = (Path("node_modules"), Path("tests/interop/node/node_modules"))
PACKAGES = ("bullmq", "bullmq6")
PROGRAM = Path(__file__).with_name("node_bench.mjs")


@dataclass(frozen=True, slots=True)
class Node:
    """Node with BullMQ: the program, the folder with the package, and their versions."""

    program: str
    folder: Path
    package: str
    version: str
    bullmq: str

    @property
    def command(self) -> list[str]:
        """Does one run, as `oxcart.bench.child` does."""
        return [self.program, str(PROGRAM), str(self.folder), self.package]


def find_node(folder: Path | None) -> Node | None:
    """Node with BullMQ from this `node_modules` folder, or from one of the usual places; None if it isn't there.

    Raises `OptionsError` if a folder is named and it can't be had from there.
    """
    program = shutil.which("node")
    found = _find_package(USUAL_PLACES if folder is None else (folder, folder / "node_modules"))
    if program is None or found is None:
        if folder is not None:
            lack = f"no package bullmq in {folder}" if program else "there is no program `node` on the path"
            raise OptionsError(f"--node-modules: {lack}")
        return None
    package = found.name
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return Node(program, found.parent, package, version.removeprefix("v"), _version(found))


def _find_package(folders: Sequence[Path]) -> Path | None:
    places = [folder.resolve() / name for folder in folders for name in PACKAGES]
    return next((place for place in places if (place / "package.json").is_file()), None)


def _version(package: Path) -> str:
    return str(json.loads((package / "package.json").read_text())["version"])
