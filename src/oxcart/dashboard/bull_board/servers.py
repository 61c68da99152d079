"""Servers: the workers of a queue, and Redis."""

from __future__ import annotations

from ..ask import Ask
from ..board import Board
from ..reading import direct, rows
from ..reading.connected import clients, workers_of
from . import shapes
from .asked import queue_of


async def workers(board: Board, ask: Ask) -> shapes.Workers:
    """`GET /queues/{queue}/workers`: null if Redis doesn't let us ask who is connected."""
    queue = await queue_of(board, ask)
    connected = await clients(board)
    if connected is None:
        return {"workers": None}
    return {"workers": [_worker(board, client) for client in workers_of(queue, connected)]}


def _worker(board: Board, client: dict[str, str]) -> shapes.Worker:
    name = client.get("worker")
    return {
        "id": client.get("id", ""),
        "name": None if name is None else rows.text_of(board, name, rows.PREVIEW),
        "addr": client.get("addr", ""),
        "age": rows.whole(client.get("age")) or 0,
    }


async def redis(board: Board, ask: Ask) -> shapes.RedisStats:
    """`GET /redis/stats`."""
    info = await direct.info(board) or {}
    backend = "valkey" if "valkey_version" in info or info.get("server_name") == "valkey" else "redis"
    return {
        "backend": backend,
        "version": info.get("valkey_version") or info.get("redis_version", ""),
        "mode": info.get("redis_mode") or info.get("server_mode") or "",
        "port": _number(info, "tcp_port"),
        "os": info.get("os", ""),
        "uptime": _number(info, "uptime_in_seconds"),
        "memory": {
            "total": _number(info, "maxmemory") or _number(info, "total_system_memory"),
            "used": _number(info, "used_memory"),
            "fragmentationRatio": float(info.get("mem_fragmentation_ratio", "0")),
            "peak": _number(info, "used_memory_peak"),
        },
        "clients": {"connected": _number(info, "connected_clients"), "blocked": _number(info, "blocked_clients")},
    }


def _number(info: dict[str, str], name: str) -> int:
    return rows.whole(info.get(name)) or 0
