"""Shapes: what Bull Board's routes answer. Times are milliseconds. Only its page and its scripts have to know them."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class ErrorKey(TypedDict):
    key: str
    options: NotRequired[dict[str, Any]]


class Error(TypedDict):
    """What is answered instead of anything else."""

    error: ErrorKey
    message: NotRequired[str | ErrorKey]
    code: NotRequired[str]
    jobSchedulerId: NotRequired[str]


class Range(TypedDict):
    start: int
    end: int


class Pagination(TypedDict):
    pageCount: int
    range: Range


class AppJob(TypedDict):
    id: str
    name: str
    timestamp: int | None
    processedOn: NotRequired[int]
    processedBy: NotRequired[str]
    finishedOn: NotRequired[int]
    progress: Any
    attempts: int
    delay: int
    failedReason: NotRequired[str]
    stacktrace: list[str]
    opts: dict[str, Any]
    data: Any
    returnValue: Any
    isFailed: bool
    priority: NotRequired[int]
    attemptsStarted: NotRequired[int]
    stalledCounter: NotRequired[int]
    deduplicationId: NotRequired[str]
    deferredFailure: NotRequired[str]


class AppQueue(TypedDict):
    name: str
    delimiter: str
    type: Literal["bullmq"]
    statuses: list[str]
    counts: dict[str, int]
    jobs: list[AppJob]
    pagination: Pagination
    readOnlyMode: bool
    allowRetries: bool
    allowCompletedRetries: bool
    isPaused: bool
    globalConcurrency: int | None
    activeRateLimitTtl: int
    supportsGlobalRateLimit: bool
    jobSchedulerCount: int
    hasWorkers: bool | None


class Queues(TypedDict):
    queues: list[AppQueue]


class JobAndStatus(TypedDict):
    job: AppJob
    status: str


class OnlyJob(TypedDict):
    job: AppJob


class Dependencies(TypedDict):
    processed: int
    unprocessed: int
    ignored: int
    failed: int


class FlowNode(TypedDict):
    id: str
    name: str
    state: str
    progress: Any
    queueName: str
    children: list[FlowNode]
    truncated: NotRequired[bool]
    dependencies: NotRequired[Dependencies]
    ignoredChildFailureReasons: NotRequired[dict[str, str]]


class Flow(TypedDict):
    nodeId: str
    isFlowNode: bool
    flowRoot: FlowNode | None


class Template(TypedDict):
    data: NotRequired[Any]
    opts: NotRequired[dict[str, Any]]


class AppJobScheduler(TypedDict):
    id: str
    queueName: str
    name: str
    pattern: NotRequired[str]
    every: NotRequired[int]
    tz: NotRequired[str]
    limit: NotRequired[int]
    startDate: NotRequired[int]
    endDate: NotRequired[int]
    next: NotRequired[int]
    nextRunJobId: NotRequired[str]
    lastRun: NotRequired[int]
    lastRunJobId: NotRequired[str]
    iterationCount: NotRequired[int]
    template: NotRequired[Template]


class Schedulers(TypedDict):
    schedulers: list[AppJobScheduler]


class MetricsMeta(TypedDict):
    count: int
    prevTS: int
    prevCount: int


class Metric(TypedDict):
    meta: MetricsMeta
    data: list[int]
    count: int


class Metrics(TypedDict):
    completed: Metric
    failed: Metric


class Worker(TypedDict):
    id: str
    name: str | None
    addr: str
    age: int


class Workers(TypedDict):
    workers: list[Worker] | None


class RateLimit(TypedDict):
    max: int
    duration: int


class RateLimitAnswer(TypedDict):
    supported: bool
    rateLimit: RateLimit | None


class Memory(TypedDict):
    total: int
    used: int
    fragmentationRatio: float
    peak: int


class Clients(TypedDict):
    connected: int
    blocked: int


class RedisStats(TypedDict):
    backend: str
    version: str
    mode: str
    port: int
    os: str
    uptime: int
    memory: Memory
    clients: Clients


class Retried(TypedDict):
    retried: int
    skipped: int


class Removed(TypedDict):
    removed: int


class HistoryPoint(TypedDict):
    ts: int
    value: int


class History(TypedDict):
    completed: NotRequired[list[HistoryPoint]]
    failed: NotRequired[list[HistoryPoint]]
    queueage: NotRequired[list[HistoryPoint]]


class LatencyPoint(TypedDict):
    ts: int
    count: int
    values: dict[str, int]
