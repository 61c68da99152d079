"""Moot: what was to be told when a job was added, and isn't so any more when it runs."""

from __future__ import annotations

from ..models import Task


class Moot(Exception):
    """There is nothing to tell any more, and that is no failure."""


def still_theirs(task: Task, user_id: str) -> None:
    """Raise `Moot` if a task that somebody is to be told of has gone to somebody else."""
    if task.assignee_id != user_id:
        raise Moot(f"task {task.id} is assigned to somebody else by now")
