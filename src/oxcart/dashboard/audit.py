"""The journal: who did what, in memory for the page and as lines in the log."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, cast

from . import shapes

KEPT = 1000
"""How many entries a process remembers."""

LONGEST = 300
"""How many characters of a target or a result are kept."""

log = logging.getLogger("oxcart.dashboard.audit")


class Journal:
    """What was done through a dashboard, the newest last. Each entry is also one line of JSON in the log."""

    def __init__(self) -> None:
        self._entries: deque[shapes.AuditEntry] = deque(maxlen=KEPT)

    def write(self, entry: shapes.AuditEntry) -> None:
        entry["target"], entry["result"] = entry["target"][:LONGEST], entry["result"][:LONGEST]
        self._entries.append(entry)
        # As JSON, so that no text of a user can begin a line of its own.
        log.info("%s", json.dumps(entry), extra={"audit": dict(entry)})

    def newest_first(self) -> Iterator[shapes.AuditEntry]:
        return reversed(self._entries)


def action_of(path: str) -> str:
    """What was done, as a word or two: `/queues/{queue}/job/retry` is "retry", `…/scheduler/run` is "scheduler run"."""
    words = [part for part in path.split("/") if part and not part.startswith("{") and part not in ("queues", "job")]
    return " ".join(words)


def target_of(path: Mapping[str, str], body: Mapping[str, Any]) -> str:
    """What an action was about: an id, a filter, or the name of what was added."""
    if (job_id := body.get("id")) is not None:
        return str(job_id)
    if isinstance(body.get("ids"), list):
        ids = cast(list[Any], body["ids"])
        return f"{len(ids)} jobs: {', '.join(map(str, ids[:5]))}{', …' if len(ids) > 5 else ''}"
    if isinstance(name := body.get("name"), str):
        return name
    rest = {key: value for key, value in body.items() if key not in ("data", "options", "confirm", "queue")}
    if "task" in path:
        return f"task {path['task']}"
    return json.dumps(rest, ensure_ascii=False, default=str) if rest else ""
