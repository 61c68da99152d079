"""Oxcart: background jobs on Redis, sharing queues with BullMQ for Node.

```python
from oxcart import Queue, Worker

emails = Queue("email")
job = await emails.add("welcome", {"userId": "u1"}, attempts=3, backoff=2)

async def send(job): ...

await Worker("email", send, concurrency=5).run()
```
"""

from .aio.connection import Connection
from .aio.job import DamagedJob, Job
from .aio.queue import JobSpec, Queue
from .errors import (
    ConnectionFailed,
    FailedChildren,
    InvalidState,
    JobError,
    JobNotFound,
    LockLost,
    OptionsError,
    OxcartError,
    PayloadError,
    PendingChildren,
    Requeue,
    Reschedule,
    ScriptError,
    ServerRefused,
    Steering,
    Unrecoverable,
)
from .options import Backoff, JobOptions, Keep, RateLimit
from .protocol.states import JobState
from .worker.worker import Worker

__version__ = "0.1.0"

__all__ = [
    "Backoff",
    "Connection",
    "ConnectionFailed",
    "DamagedJob",
    "FailedChildren",
    "InvalidState",
    "Job",
    "JobError",
    "JobNotFound",
    "JobOptions",
    "JobSpec",
    "JobState",
    "Keep",
    "LockLost",
    "OptionsError",
    "OxcartError",
    "PayloadError",
    "PendingChildren",
    "Queue",
    "RateLimit",
    "Requeue",
    "Reschedule",
    "ScriptError",
    "ServerRefused",
    "Steering",
    "Unrecoverable",
    "Worker",
]
