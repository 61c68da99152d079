"""The routes of the API, as data: what is asked how, who answers, and what the user has to be allowed to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from .alerts import page as alerts
from .ask import Ask
from .board import Board
from .handlers import (
    about,
    acting,
    bulk,
    exporting,
    failures,
    jobs,
    marks,
    overview,
    prometheus,
    queues,
    redis,
    revealing,
    schedulers,
    stats,
    workers,
)

Handler = Callable[[Board, Ask], Awaitable[Any]]
"""Answers a shape of `shapes.py`; raises `Refusal`, or an error of Oxcart, which becomes one."""


@dataclass(frozen=True, slots=True)
class Route:
    """A row of the table. `{id:path}` takes the rest of the path, since ids may have slashes."""

    method: Literal["GET", "POST", "PUT", "PATCH"]
    path: str
    handler: Handler
    action: str
    noted: bool | None = None
    """Whether the audit tells of it; if it isn't said, of all that isn't GET, which may change something."""

    @property
    def is_noted(self) -> bool:
        return self.method != "GET" if self.noted is None else self.noted


ROUTES = (
    Route("GET", "/board", about.board, "view"),
    Route("GET", "/overview", overview.overview, "view"),
    Route("GET", "/queues/{queue}", queues.detail, "view"),
    Route("GET", "/queues/{queue}/metrics", queues.metrics, "view"),
    Route("GET", "/queues/{queue}/jobs", queues.page, "view"),
    Route("GET", "/queues/{queue}/search", queues.search, "view"),
    Route("GET", "/queues/{queue}/export", exporting.export, "export", noted=True),
    Route("GET", "/queues/{queue}/schemas", about.schemas, "view"),
    Route("GET", "/queues/{queue}/job", jobs.detail, "view"),
    Route("GET", "/queues/{queue}/job/logs", jobs.logs, "view_data"),
    Route("GET", "/queues/{queue}/job/flow", jobs.flow, "view"),
    Route("GET", "/failures", failures.groups, "view"),
    Route("GET", "/stats", stats.stats, "view"),
    Route("POST", "/marks", marks.mark, "mark"),
    Route("GET", "/prometheus", prometheus.prometheus, "view"),
    Route("GET", "/alerts", alerts.listed, "view"),
    Route("POST", "/alerts/test", alerts.test, "alerts"),
    Route("GET", "/schedulers", schedulers.listed, "view"),
    Route("GET", "/workers", workers.workers, "view"),
    Route("GET", "/redis", redis.redis, "redis"),
    Route("GET", "/audit", acting.audit, "audit"),
    Route("GET", "/tasks", bulk.listed, "view"),
    Route("GET", "/tasks/{task}", bulk.task, "view"),
    Route("POST", "/tasks/{task}/cancel", bulk.cancel, "bulk"),
    Route("POST", "/queues/{queue}/add", acting.add, "add"),
    Route("POST", "/queues/{queue}/pause", acting.pause, "pause"),
    Route("POST", "/queues/{queue}/resume", acting.resume, "pause"),
    Route("POST", "/queues/{queue}/drain", acting.drain, "drain"),
    Route("POST", "/queues/{queue}/obliterate", acting.obliterate, "obliterate"),
    Route("POST", "/queues/{queue}/limits", acting.limits, "limits"),
    Route("POST", "/queues/{queue}/bulk/preview", bulk.preview, "bulk", noted=False),
    Route("POST", "/queues/{queue}/bulk", bulk.start, "bulk"),
    Route("POST", "/queues/{queue}/job/reveal", revealing.reveal, "reveal"),
    Route("POST", "/queues/{queue}/job/retry", acting.retry, "retry"),
    Route("POST", "/queues/{queue}/job/promote", acting.promote, "promote"),
    Route("POST", "/queues/{queue}/job/cancel", acting.cancel, "cancel"),
    Route("POST", "/queues/{queue}/job/remove", acting.remove, "remove"),
    Route("POST", "/queues/{queue}/job/delay", acting.delay, "edit"),
    Route("POST", "/queues/{queue}/job/priority", acting.priority, "edit"),
    Route("POST", "/queues/{queue}/job/data", acting.data, "edit"),
    Route("POST", "/queues/{queue}/scheduler", schedulers.save, "schedulers"),
    Route("POST", "/queues/{queue}/scheduler/run", schedulers.run, "schedulers"),
    Route("POST", "/queues/{queue}/scheduler/pause", schedulers.pause, "schedulers"),
    Route("POST", "/queues/{queue}/scheduler/resume", schedulers.resume, "schedulers"),
    Route("POST", "/queues/{queue}/scheduler/remove", schedulers.remove, "schedulers"),
)
"""Ids of jobs and schedulers are given as `?id=` or, to a POST, in the body: they may have any characters."""
