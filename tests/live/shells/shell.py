"""The shell that these tests are about."""

from oxcart import Connection, FlowProducer, Job, Queue, QueueEvents, QueueEventsProducer, QueueView, find_queues

__all__ = [
    "Connection",
    "FlowProducer",
    "Job",
    "Queue",
    "QueueEvents",
    "QueueEventsProducer",
    "QueueView",
    "find_queues",
]
