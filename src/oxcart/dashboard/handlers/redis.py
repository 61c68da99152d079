"""Redis: the server that holds it all, how it is, and what endangers jobs."""

from __future__ import annotations

import asyncio

from .. import shapes
from ..ask import Ask
from ..board import Board
from ..reading import direct, rows
from ..reading.kept import kept

INFO_FRESH_S = 2


async def redis(board: Board, ask: Ask) -> shapes.Redis:
    """`GET /redis`: what the server is and how it is, with what endangers jobs."""
    return {**(await health(board)), "now": board.clock()}


async def health(board: Board) -> shapes.Redis:
    """The same, as of a moment ago."""
    return await kept(board).get("redis", INFO_FRESH_S, lambda: _health(board))


async def _health(board: Board) -> shapes.Redis:
    told, save, fsync = await asyncio.gather(
        direct.info(board), direct.setting(board, "save"), direct.setting(board, "appendfsync")
    )
    info = told or {}
    valkey = info.get("valkey_version")
    persistence, durable = persistence_in_words(info, save, fsync)
    found: shapes.Redis = {
        "now": board.clock(),
        "version": valkey or info.get("redis_version", ""),
        "kind": "valkey" if valkey or info.get("server_name") == "valkey" else "redis",
        "mode": info.get("redis_mode") or info.get("server_mode") or "",
        "uptime": 1000 * _int(info, "uptime_in_seconds"),
        "address": address(board.connection.url),
        "used": _int(info, "used_memory"),
        "peak": _int(info, "used_memory_peak"),
        "maximum": _int(info, "maxmemory"),
        "fragmentation": _float(info, "mem_fragmentation_ratio"),
        "policy": info.get("maxmemory_policy", ""),
        "clients": _int(info, "connected_clients"),
        "blocked": _int(info, "blocked_clients"),
        "per_second": _int(info, "instantaneous_ops_per_sec"),
        "persistence": persistence,
        "warnings": [],
    }
    found["warnings"] = warnings(found, info, durable) if info else ["Redis does not let us look at its state."]
    return found


def warnings(found: shapes.Redis, info: dict[str, str], durable: bool | None) -> list[str]:
    """Settings and states that lose jobs, or soon will."""
    texts: list[str] = []
    if found["policy"] and found["policy"] != "noeviction":
        texts.append(
            f"maxmemory-policy is {found['policy']}: when memory is full, Redis deletes keys, and jobs with them. "
            "Set it to noeviction."
        )
    if memory_share(found) >= MEMORY_NEAR:
        texts.append(f"{memory_share(found):.0%} of the memory limit is used. When it is full, no job can be added.")
    if durable is False:
        texts.append("Nothing is stored on disk: a restart of Redis loses all jobs. Turn on appendonly.")
    if info.get("rdb_last_bgsave_status", "ok") != "ok" or info.get("aof_last_write_status", "ok") != "ok":
        texts.append("The last attempt to write to disk failed: Redis may refuse new jobs, and a restart loses some.")
    if info.get("role") == "slave":
        texts.append("This is a replica: it can be looked at, but no job can be changed here.")
    return texts


MEMORY_NEAR = 0.8


def memory_share(found: shapes.Redis) -> float:
    """How much of the memory that it may use is used; 0 without a limit."""
    return found["used"] / found["maximum"] if found["maximum"] else 0.0


_FSYNC = {"always": "after every write", "everysec": "every second", "no": "when the system likes"}


def persistence_in_words(info: dict[str, str], save: str | None, fsync: str | None) -> tuple[str, bool | None]:
    """How jobs are stored on disk, and whether they are at all, if that is known."""
    parts: list[str] = []
    if info.get("aof_enabled") == "1":
        how = _FSYNC.get(fsync or "", "")
        parts.append(f"append-only file, {how}" if how else "append-only file")
    if save:
        parts.append("snapshots")
    if parts:
        return " and ".join(parts), True
    if save is None:
        return "not known (snapshots at most)" if info else "not known", None
    return "none", False


def address(url: str) -> str:
    """Where Redis is, without user and password. A password may have slashes and worse: better hide too much."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url.partition("?")[0]
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def _int(info: dict[str, str], name: str) -> int:
    return rows.whole(info.get(name)) or 0


def _float(info: dict[str, str], name: str) -> float:
    try:
        return float(info.get(name, "0"))
    except ValueError:
        return 0.0
