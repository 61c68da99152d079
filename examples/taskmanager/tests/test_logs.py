"""The log: what becomes of each job."""

from __future__ import annotations

from functools import partial

import pytest
from conftest import Register, RunWorkers
from oxcart import Queue, Worker
from programs import hold_and_die
from test_alerts import NOBODY
from waiting import wait_until

from taskmanager import worker
from taskmanager.settings import Settings
from taskmanager.worker import email_worker


def logged(caplog: pytest.LogCaptureFixture, begin: str) -> list[str]:
    return [line for line in caplog.messages if line.startswith(begin)]


async def test_it_tells_what_was_completed_and_what_has_failed(
    queue: Queue, register: Register, run_workers: RunWorkers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await run_workers(email_worker)
    done = (await register())["job"]["id"]
    failing = await queue.add("welcome", {"userId": NOBODY})

    await wait_until(lambda: logged(caplog, "Job completed") and logged(caplog, "Job failed"))
    assert logged(caplog, "Job completed") == [f"Job completed queue=email id={done} name='welcome' attempts=1"]
    [line] = logged(caplog, "Job failed")
    assert line.startswith(f"Job failed queue=email id={failing.id} name='welcome' attempts=1/3 left=0 error=")


async def test_it_tells_whose_worker_was_lost(
    register: Register,
    run_workers: RunWorkers,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO")
    job_id = (await register())["job"]["id"]
    await hold_and_die(settings.redis_url)

    monkeypatch.setattr(worker, "Worker", partial(Worker, stalled_interval=0.3))
    await run_workers(email_worker)
    await wait_until(lambda: logged(caplog, "Job completed"))  # by the second worker, after all
    [line] = logged(caplog, "Job stalled")
    assert line.startswith(f"Job stalled queue=email id={job_id}:")
