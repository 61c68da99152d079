"""The shell that these tests are about."""

from oxcart import Connection, Job, Queue, QueueEvents, QueueEventsProducer, QueueView, find_queues

__all__ = ["Connection", "Job", "Queue", "QueueEvents", "QueueEventsProducer", "QueueView", "find_queues"]
