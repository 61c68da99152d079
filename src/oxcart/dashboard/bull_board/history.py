"""History: what workers with a recorder counted, hour by hour or day by day, as Bull Board asks for it."""

from __future__ import annotations

from collections.abc import Callable

from .. import shapes as our_shapes
from ..ask import Ask
from ..board import Board
from ..handlers import stats
from . import shapes
from .trouble import bad_query, no_queue

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
_STEPS = {"hour": HOUR_MS, "day": DAY_MS}
_LATEST_MS = 2**43
_COUNTS: dict[str, Callable[[our_shapes.StatsPoint], int]] = {
    "completed": lambda point: point["completed"],
    "failed": lambda point: point["failed"],
}


async def counts(board: Board, ask: Ask) -> shapes.History:
    """`GET /metrics/history?from=&to=&granularity=hour|day&queue=&metric=completed|failed|queueage`."""
    metric = ask.query.get("metric")
    if metric not in (None, *_COUNTS, "queueage"):
        raise bad_query("metric")
    step = _step(ask)
    found: shapes.History = {}
    if metric == "queueage":  # which nobody records
        return {"queueage": []}
    counted = await _stats(board, ask, step)
    for name, count in _COUNTS.items():
        if metric in (None, name):
            found[name] = [{"ts": point["at"], "value": count(point)} for point in counted["points"]]
    return found


async def latency(board: Board, ask: Ask) -> list[shapes.LatencyPoint]:
    """`GET /metrics/latency?metric=runtime|waittime&from=&to=&granularity=hour|day|range&queue=&percentiles=`."""
    metric = ask.query.get("metric")
    if metric not in ("runtime", "waittime"):
        raise bad_query("metric")
    wanted = [one.strip() for one in (ask.query.get("percentiles") or "50,95,99").split(",")]
    whole_range = ask.query.get("granularity") == "range"
    step = _moment(ask, "to") - _moment(ask, "from") if whole_range else _step(ask)
    counted = await _stats(board, ask, max(step, HOUR_MS))
    points = [(point["at"], point["run"] if metric == "runtime" else point["wait"]) for point in counted["points"]]
    return [_point(at, spread, wanted) for at, spread in points if spread["count"]]


def _point(at: int, spread: our_shapes.Spread, wanted: list[str]) -> shapes.LatencyPoint:
    """A step; percentiles that are not kept are left out."""
    known: dict[str, int | None] = {"50": spread["p50"], "95": spread["p95"], "99": spread["p99"]}
    values = {name: value for name in wanted if (value := known.get(name)) is not None}
    return {"ts": at, "count": spread["count"], "values": values}


async def _stats(board: Board, ask: Ask, step: int) -> our_shapes.Stats:
    """The same question as our own API has it."""
    since, until = _moment(ask, "from"), _moment(ask, "to")
    if since >= until:
        raise bad_query("from")
    query = {"from": str(since), "to": str(until), "step": str(step)}
    if queue := ask.query.get("queue"):
        if queue not in await board.names(ask):
            raise no_queue(queue)
        query["queue"] = queue
    return await stats.stats(board, Ask(ask.access, {}, query))


def _step(ask: Ask) -> int:
    step = _STEPS.get(ask.query.get("granularity", ""))
    if step is None:
        raise bad_query("granularity")
    return step


def _moment(ask: Ask, name: str) -> int:
    text = ask.query.get(name, "")
    if not text.isascii() or not text.isdigit() or len(text) > 13 or not 0 < int(text) < _LATEST_MS:
        raise bad_query(name)
    return int(text)
