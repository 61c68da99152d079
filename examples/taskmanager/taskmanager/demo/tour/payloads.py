"""The rule of payloads: ids, not documents."""

from __future__ import annotations

import json

from oxcart import PayloadError

from ...contract import DEFAULTS
from .. import Unexpected
from ..stage import Stage
from .look import all_jobs, ensure

MOST_BYTES = 200
"""Two or three ids with their names."""


async def ids_only(stage: Stage) -> str:
    """No job carries more than ids; one that does is refused before it is sent."""
    jobs = await all_jobs(stage)
    sizes = [len(json.dumps(job.data)) for job in jobs]
    ensure(len(jobs) > 0, "there are no jobs")
    ensure(max(sizes) <= MOST_BYTES, f"a job carries {max(sizes)} bytes")
    odd = {name for job in jobs for name in job.data if not name.endswith("Id")}
    ensure(not odd, f"jobs carry {', '.join(sorted(odd))}")
    page = "<p>Dear Ada</p>" * 1000
    try:
        await stage.queues.email.add("welcome", {"userId": "u1", "html": page})
    except PayloadError:
        limit = DEFAULTS.get("size_limit")
        return (
            f"{len(jobs)} jobs carry ids only, {max(sizes)} bytes at most; a page of {len(page) // 1000} kB in a job "
            f"was refused (the limit is {limit} bytes)"
        )
    raise Unexpected(f"a page of {len(page)} bytes could be put into a job")
