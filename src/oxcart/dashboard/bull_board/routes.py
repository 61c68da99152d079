"""The routes, as data. Those with names come before those with ids, as in Bull Board."""

from __future__ import annotations

from ..routes import Route
from . import history, job_actions, jobs, queue_actions, queues, schedulers, servers

_QUEUE = "/queues/{queue}"
_JOB = "/queues/{queue}/{id}"
_SCHEDULER = "/queues/{queue}/job-schedulers/{scheduler}"

ROUTES = (
    Route("GET", "/queues", queues.listed, "view"),
    Route("GET", "/redis/stats", servers.redis, "redis"),
    Route("GET", "/job-schedulers", schedulers.listed, "view"),
    Route("GET", "/metrics/history", history.counts, "view"),
    Route("GET", "/metrics/latency", history.latency, "view"),
    Route("GET", f"{_QUEUE}/metrics", queues.metrics, "view"),
    Route("GET", f"{_QUEUE}/default-job-options", queues.default_options, "view"),
    Route("GET", f"{_QUEUE}/workers", servers.workers, "view"),
    Route("GET", f"{_QUEUE}/rate-limit", queues.rate_limit, "view"),
    Route("GET", f"{_QUEUE}/job-data-schema", queues.data_schema, "view"),
    Route("GET", _JOB, jobs.detail, "view"),
    Route("GET", f"{_JOB}/logs", jobs.logs, "view_data"),
    Route("GET", f"{_JOB}/flow", jobs.flow, "view"),
    Route("PUT", "/queues/pause", queue_actions.pause_all, "pause"),
    Route("PUT", "/queues/resume", queue_actions.resume_all, "pause"),
    Route("POST", f"{_QUEUE}/add", queue_actions.add, "add"),
    Route("PUT", f"{_QUEUE}/pause", queue_actions.pause, "pause"),
    Route("PUT", f"{_QUEUE}/resume", queue_actions.resume, "pause"),
    Route("PUT", f"{_QUEUE}/empty", queue_actions.empty, "drain"),
    Route("PUT", f"{_QUEUE}/promote", queue_actions.promote, "bulk"),
    Route("PUT", f"{_QUEUE}/obliterate", queue_actions.obliterate, "obliterate"),
    Route("PUT", f"{_QUEUE}/concurrency", queue_actions.concurrency, "limits"),
    Route("PUT", f"{_QUEUE}/rate-limit", queue_actions.rate_limit, "limits"),
    Route("PUT", f"{_QUEUE}/retry/{{status}}", queue_actions.retry, "bulk"),
    Route("PUT", f"{_QUEUE}/clean/{{status}}", queue_actions.clean, "bulk"),
    Route("PUT", f"{_QUEUE}/rate-limit/release", queue_actions.release, "limits"),
    Route("PUT", f"{_SCHEDULER}/remove", schedulers.remove, "schedulers"),
    Route("PUT", f"{_SCHEDULER}/run", schedulers.run, "schedulers"),
    Route("PATCH", _SCHEDULER, schedulers.edit, "schedulers"),
    Route("PUT", f"{_JOB}/retry", job_actions.retry, "retry"),
    Route("PUT", f"{_JOB}/clean", job_actions.clean, "remove"),
    Route("PUT", f"{_JOB}/promote", job_actions.promote, "promote"),
    Route("PUT", f"{_JOB}/remove-unprocessed-children", job_actions.remove_unprocessed_children, "remove"),
    Route("PATCH", f"{_JOB}/update-data", job_actions.update_data, "edit"),
    Route("PATCH", f"{_JOB}/delay", job_actions.delay, "edit"),
    Route("PATCH", f"{_JOB}/priority", job_actions.priority, "edit"),
)
