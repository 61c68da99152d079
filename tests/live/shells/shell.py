"""The shell that these tests are about."""

from oxcart import Connection, Job, Queue, QueueView, find_queues

__all__ = ["Connection", "Job", "Queue", "QueueView", "find_queues"]
