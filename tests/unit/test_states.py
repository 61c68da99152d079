"""A job's states, as programs print them."""

from __future__ import annotations

from oxcart import JobState


def test_a_state_is_shown_as_its_text() -> None:
    assert repr({JobState.WAITING: 3, JobState.WAITING_CHILDREN: 0}) == "{'waiting': 3, 'waiting-children': 0}"
    assert f"{JobState.WAITING}" == str(JobState.WAITING) == "waiting"
