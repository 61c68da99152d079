"""A PostgreSQL server of the tests' own, on a machine that has the programs for one."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

USER = "postgres"
"""The server refuses to run as root: builders are, so it runs as the user that its package has made."""

URL = "postgresql://taskmanager@/postgres?host="


def program(name: str) -> str | None:
    """Where one of PostgreSQL's programs is. Debian puts them beside the path."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else shutil.which(name)


def missing() -> str:
    """What is not here; empty if all is."""
    if program("initdb") is None or program("postgres") is None:
        return "PostgreSQL is not installed (apt-get install postgresql)"
    return ""


@contextmanager
def running() -> Generator[str, None, None]:
    """The URL of a fresh server, while the block runs."""
    options: dict[str, str] = {"user": USER} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="tmpg", dir="/tmp"))
    if options:
        shutil.chown(folder, USER)
    try:
        run = {"check": True, "capture_output": True, "cwd": folder} | options
        initdb, pg_ctl = program("initdb") or "", program("pg_ctl") or ""
        data = folder / "data"
        subprocess.run([initdb, "-D", data, "-U", "taskmanager", "-A", "trust", "--no-sync", "-E", "UTF8"], **run)  # pyright: ignore
        settings = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        subprocess.run([pg_ctl, "-D", data, "-o", settings, "-l", folder / "log", "-w", "start"], **run)  # pyright: ignore
        try:
            yield f"{URL}{folder}"
        finally:
            subprocess.run([pg_ctl, "-D", data, "-m", "immediate", "stop"], **run)  # pyright: ignore
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def restart(url: str) -> None:
    """Stop this server and start it again as it was: all connections end."""
    folder = Path(url.removeprefix(URL))
    options: dict[str, str] = {"user": USER} if os.geteuid() == 0 else {}
    command = [program("pg_ctl") or "", "-D", folder / "data", "-m", "fast", "-l", folder / "log", "-w", "restart"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder, **options)  # pyright: ignore
