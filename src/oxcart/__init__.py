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
from .aio.events import QueueEvents, QueueEventsProducer
from .aio.flows import FlowNode, FlowProducer
from .aio.job import DamagedJob, Job
from .aio.queue import Queue
from .aio.view import QueueView, SearchPage, find_queues
from .errors import (
    ConnectionFailed,
    FailedChildren,
    HasOtherParent,
    InvalidState,
    JobError,
    JobFailed,
    JobLocked,
    JobNotFound,
    LockLost,
    OptionsError,
    OxcartError,
    ParentNotFound,
    PayloadError,
    PendingChildren,
    ProcessCrashed,
    QueueNotEmpty,
    QueueNotPaused,
    RateLimited,
    Refused,
    Requeue,
    Reschedule,
    SchedulerError,
    ScriptError,
    ServerRefused,
    Steering,
    Unrecoverable,
    WaitForChildren,
)
from .flow import Flow
from .options import Backoff, Deduplication, JobOptions, JobSpec, Keep, Parent, RateLimit
from .protocol.calls.family import Dependencies
from .protocol.calls.read import Metrics, WorkerInfo
from .protocol.events import (
    ActiveEvent,
    AddedEvent,
    CleanedEvent,
    CompletedEvent,
    DeduplicatedEvent,
    DelayedEvent,
    DrainedEvent,
    DuplicatedEvent,
    Event,
    FailedEvent,
    MovedEvent,
    PausedEvent,
    ProgressEvent,
    RemovedEvent,
    ResumedEvent,
    RetriesExhaustedEvent,
    StalledEvent,
    WaitingChildrenEvent,
    WaitingEvent,
)
from .protocol.series import Scheduler
from .protocol.states import JobState
from .repeat import Repeat
from .version import __version__ as __version__
from .worker.worker import Worker

__all__ = [
    "ActiveEvent",
    "AddedEvent",
    "Backoff",
    "CleanedEvent",
    "CompletedEvent",
    "Connection",
    "ConnectionFailed",
    "DamagedJob",
    "DeduplicatedEvent",
    "Deduplication",
    "DelayedEvent",
    "Dependencies",
    "DrainedEvent",
    "DuplicatedEvent",
    "Event",
    "FailedChildren",
    "FailedEvent",
    "Flow",
    "FlowNode",
    "FlowProducer",
    "HasOtherParent",
    "InvalidState",
    "Job",
    "JobError",
    "JobFailed",
    "JobLocked",
    "JobNotFound",
    "JobOptions",
    "JobSpec",
    "JobState",
    "Keep",
    "LockLost",
    "Metrics",
    "MovedEvent",
    "OptionsError",
    "OxcartError",
    "Parent",
    "ParentNotFound",
    "PausedEvent",
    "PayloadError",
    "PendingChildren",
    "ProcessCrashed",
    "ProgressEvent",
    "Queue",
    "QueueEvents",
    "QueueEventsProducer",
    "QueueNotEmpty",
    "QueueNotPaused",
    "QueueView",
    "RateLimit",
    "RateLimited",
    "Refused",
    "RemovedEvent",
    "Repeat",
    "Requeue",
    "Reschedule",
    "ResumedEvent",
    "RetriesExhaustedEvent",
    "Scheduler",
    "SchedulerError",
    "ScriptError",
    "SearchPage",
    "ServerRefused",
    "StalledEvent",
    "Steering",
    "Unrecoverable",
    "WaitForChildren",
    "WaitingChildrenEvent",
    "WaitingEvent",
    "Worker",
    "WorkerInfo",
    "find_queues",
]
