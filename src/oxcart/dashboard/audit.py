"""The journal: who did what, in memory for the page and as lines in the log."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from heapq import merge
from itertools import count
from typing import Any, cast

from . import shapes

KEPT = 1000
"""How many entries a process remembers of what was done."""

KEPT_REFUSED = 200
"""How many of what was refused, apart from those: who may do nothing could else have all of them forgotten."""

REFUSED = "refused"
"""How the result of what was refused begins."""

LONGEST = 300
"""How many characters of a target or a result are kept."""

log = logging.getLogger("oxcart.dashboard.audit")


class Journal:
    """What was done through a dashboard, the newest last. Each entry is also one line of JSON in the log."""

    def __init__(self) -> None:
        self._done: deque[tuple[int, shapes.AuditEntry]] = deque(maxlen=KEPT)
        self._refused: deque[tuple[int, shapes.AuditEntry]] = deque(maxlen=KEPT_REFUSED)
        self._numbers = count()

    def write(self, entry: shapes.AuditEntry) -> shapes.AuditEntry:
        """Note what was done; the entry as it is kept."""
        entry["target"], entry["result"] = entry["target"][:LONGEST], entry["result"][:LONGEST]
        kept = self._refused if entry["result"].startswith(REFUSED) else self._done
        kept.append((next(self._numbers), entry))
        self._log(entry)
        return entry

    def amend(self, entry: shapes.AuditEntry, result: str) -> None:
        """What came of something that took long: the log has a second line of it, the page one entry."""
        entry["result"] = result[:LONGEST]
        self._log(entry)

    def _log(self, entry: shapes.AuditEntry) -> None:
        # As JSON, so that no text of a user can begin a line of its own.
        log.info("%s", json.dumps(entry), extra={"audit": dict(entry)})

    def newest_first(self) -> Iterator[shapes.AuditEntry]:
        both = merge(reversed(self._done), reversed(self._refused), key=lambda one: one[0], reverse=True)
        return (entry for _, entry in both)


def action_of(path: str) -> str:
    """What was done, as a word or two: `/queues/{queue}/job/retry` is "retry", `…/scheduler/run` is "scheduler run"."""
    words = [part for part in path.split("/") if part and not part.startswith("{") and part not in ("queues", "job")]
    return " ".join(words)


NOTES_ITSELF = "/queues/{queue}/bulk"
"""The route whose actions go on after their answer, and are noted with what came of them."""


def target_of(path: Mapping[str, str], body: Mapping[str, Any]) -> str:
    """What an action was about: an id, jobs in words, or the name of what was added."""
    if (job_id := body.get("id")) is not None:
        return str(job_id)
    if body.get("ids") or isinstance(body.get("state"), str):
        return jobs_in_words(path.get("queue", ""), body)
    if isinstance(name := body.get("name"), str):
        return name
    rest = {key: value for key, value in body.items() if key not in ("data", "options", "confirm", "queue")}
    if "task" in path:
        return f"task {path['task']}"
    return json.dumps(rest, ensure_ascii=False, default=str) if rest else ""


_WORDS = {
    "error": "with error",
    "name": "with name",
    "q": "with",
    "path": "at",
    "fingerprint": "with the cause",
    "from": "since",
    "to": "until",
}


def jobs_in_words(queue: str, body: Mapping[str, Any]) -> str:
    """Which jobs a bulk action was for: "failed jobs of email with error: timeout"."""
    of = f" of {queue}" if queue else ""
    if given := body.get("ids"):
        ids = cast(list[Any], given) if isinstance(given, list) else str(given).split(",")
        return f"{len(ids)} jobs{of}: {', '.join(map(str, ids[:5]))}{', …' if len(ids) > 5 else ''}"
    asked = [
        f"{words}: {_shown(name, body[name])}" for name, words in _WORDS.items() if body.get(name) not in (None, "")
    ]
    return f"{body.get('state')} jobs{of}{' ' if asked else ''}{', '.join(asked)}"


def _shown(name: str, value: Any) -> str:
    if name not in ("from", "to") or not isinstance(value, int) or not 0 <= value < 2**43:
        return str(value)
    return datetime.fromtimestamp(value // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
