"""The blocking shell: the same classes for programs without an event loop; safe in threads, and after a fork.

```python
from oxcart.sync import Queue

with Queue("email") as emails:
    job = emails.add("welcome", {"userId": "u1"})
```

Most of it is generated from `aio/` by `tools/unasync.py`.
"""

from .connection import Connection
from .events import QueueEvents, QueueEventsProducer
from .flows import FlowNode, FlowProducer
from .job import DamagedJob, Job
from .queue import Queue
from .view import QueueView, SearchPage, find_queues

__all__ = [
    "Connection",
    "DamagedJob",
    "FlowNode",
    "FlowProducer",
    "Job",
    "Queue",
    "QueueEvents",
    "QueueEventsProducer",
    "QueueView",
    "SearchPage",
    "find_queues",
]
