"""The JSON of the dashboard's API, as typed dicts: the one contract of server and browser.

Points in time are milliseconds since 1970, lengths of time are milliseconds, both by the server's clock. `None` means
that there is none, or that it isn't known. What an `Access` may not see is left out or masked before it gets here.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

# ------------------------------------------------------------------------------------------------------- the board


class Board(TypedDict):
    """`GET /board`: what the page has to know before anything else."""

    title: str
    version: str
    now: int
    user: str | None
    can: list[str]
    """What this user may do: the actions of `access.ACTIONS`."""
    read_only: bool
    queues: list[str]
    environment: str | None
    """A word for a strip across the top, such as `staging`."""


class Problem(TypedDict):
    """The body of every answer that is no success."""

    error: str
    """A word for programs: `not_found`, `invalid`, `forbidden`, `unauthorized`, `refused`, `redis_away`, `conflict`,
    `too_many`, `broken`."""
    message: str
    """A sentence for people."""
    id: NotRequired[str]
    """Of an error of ours: what the log says it by."""


class Counts(TypedDict):
    """How many jobs are in each state."""

    waiting: int
    prioritized: int
    delayed: int
    waiting_children: int
    active: int
    completed: int
    failed: int


class QueueRow(TypedDict):
    """A queue in the overview."""

    name: str
    counts: Counts
    paused: bool
    concurrency: int | None
    """How many jobs may be active at once, all workers together."""
    rate_limited_for: int
    """For how long nothing is given away because of a rate limit; 0 if it is."""
    oldest_waiting: int | None
    """Since when the job waits that is next."""
    workers: int | None
    """None if Redis does not let us look."""
    done_per_minute: list[int]
    """Completed jobs of the last 60 minutes, oldest first; empty if no worker counts (`Worker(metrics=)`)."""
    failed_per_minute: list[int]
    schedulers: int
    p50: int | None
    """Half of the latest finished jobs ran no longer than this."""
    p95: int | None
    wait_p95: int | None
    """From being added (or due) to being taken, of the latest finished jobs."""


Severity = Literal["high", "medium", "low"]
"""How soon somebody should look, the soonest first."""

AttentionKind = Literal[
    "no_workers",
    "stalled",
    "unreadable",
    "redis_policy",
    "redis_memory",
    "failures",
    "old_waiting",
    "paused",
    "rate_limited",
]
"""What is to be looked at; of those that are equally urgent, this is their order."""


class Attention(TypedDict):
    """Something that somebody should look at."""

    kind: AttentionKind
    severity: Severity
    queue: str | None
    text: str
    """A sentence: "12 failed jobs in email"."""
    count: int | None
    state: str | None
    """The state whose list shows it."""


class Overview(TypedDict):
    """`GET /overview`."""

    now: int
    queues: list[QueueRow]
    attention: list[Attention]


# ----------------------------------------------------------------------------------------------------------- queues


class RateLimit(TypedDict):
    max: int
    duration: int


class QueueDetail(QueueRow):
    """`GET /queues/{queue}`."""

    now: int
    rate_limit: RateLimit | None
    version: str | None
    """Which program made the queue, such as `bullmq:6.7.0`."""


class JobRow(TypedDict):
    """A job in a list. Data and results are not here; lists must stay light."""

    id: str
    name: str
    queue: str
    state: str
    created: int | None
    due: int | None
    """When a delayed job is to run."""
    started: int | None
    finished: int | None
    progress: Any
    """A number from 0 to 100, or whatever the processor said, shortened."""
    priority: int
    attempts_made: int
    attempts: int
    """How many it may have in all."""
    stalled: int
    failed_reason: str | None
    """Its first line, shortened."""
    preview: str
    """The start of its data as JSON, redacted."""
    worker: str | None
    scheduler: str | None
    has_parent: bool
    damaged: str | None
    """Why it can't be read, if it can't."""


class JobPage(TypedDict):
    """`GET /queues/{queue}/jobs?state=&start=&count=&order=newest|oldest`."""

    now: int
    jobs: list[JobRow]
    start: int
    total: int


class SearchPage(TypedDict):
    """`GET /queues/{queue}/search?q=&name=&path=&error=&state=&from=&to=&cursor=`: some of it, and how far it came."""

    now: int
    jobs: list[JobRow]
    looked_at: int
    """How many jobs were looked at for this page."""
    total: int
    """How many there are in the states that are searched."""
    cursor: str | None
    """To go on from; None when all was looked at."""


class MinuteCounts(TypedDict):
    """`GET /queues/{queue}/metrics?minutes=`: oldest first, the last is the newest full minute."""

    now: int
    counted: bool
    """Whether any worker counts; if not, `Worker(metrics=)` turns it on."""
    completed: list[int]
    failed: list[int]
    completed_total: int
    failed_total: int


class FailureGroup(TypedDict):
    """Failed jobs with the same fingerprint."""

    fingerprint: str
    kind: str
    """The class of the error, as far as the stack trace says it."""
    message: str
    """With numbers, ids and addresses replaced by placeholders."""
    example: str
    """One as it was."""
    count: int
    """Jobs that are kept."""
    recorded: int | None
    """How many there were in these 24 hours, as workers with a recorder counted them, also of jobs that are gone;
    None if none counts."""
    names: list[str]
    queues: list[str]
    first: int | None
    last: int | None
    per_hour: list[int]
    """The last 24 hours, oldest first."""
    ids: list[str]
    """Some of them, the newest first: at most 5, of the first queue."""


class Failures(TypedDict):
    """`GET /failures?queue=&count=`: groups of the newest failed jobs, the largest first."""

    now: int
    groups: list[FailureGroup]
    looked_at: int
    """How many jobs were looked at: `count`, or fewer. More can be asked for, up to 20,000."""
    total: int


# -------------------------------------------------------------------------------------------------------------- jobs


class Attempt(TypedDict):
    """A failed attempt, as its stack trace tells it."""

    number: int
    kind: str
    message: str
    frames: list[Frame]
    raw: str


class Frame(TypedDict):
    """A line of a stack trace."""

    file: str
    line: int | None
    function: str
    code: str
    library: bool
    """Whether it is in somebody else's code: site-packages, node_modules, the standard library."""


class Moment(TypedDict):
    """A step in a job's life."""

    what: Literal["added", "due", "started", "finished", "failed"]
    at: int
    text: str


class Retention(TypedDict):
    on_complete: str
    """In words, such as "the newest 100"; "all" if nothing is said."""
    on_fail: str


class JobDetail(JobRow):
    """`GET /queues/{queue}/jobs/{id}`."""

    now: int
    data: Any
    data_size: int
    """Bytes of its JSON. Data above a limit is cut, unless `?whole=1`."""
    data_cut: bool
    masked: bool
    """Whether anything of it was masked: then it can't be edited here."""
    options: Any
    return_value: Any
    return_size: int
    failed_reason_whole: str | None
    attempts_started: int
    errors: list[Attempt]
    timeline: list[Moment]
    log_count: int
    parent: JobRef | None
    children: ChildCounts | None
    deduplication: str | None
    scheduled_for: int | None
    delay: int
    will_fail: str | None
    """Why its next worker will fail it without running it."""
    retention: Retention


class JobRef(TypedDict):
    queue: str
    id: str


class ChildCounts(TypedDict):
    processed: int
    unprocessed: int
    ignored: int
    failed: int


class Logs(TypedDict):
    """`GET /queues/{queue}/jobs/{id}/logs?start=&count=`: oldest first; a negative start counts from the end."""

    lines: list[str]
    start: int
    total: int


class FlowNode(TypedDict):
    """A job in its flow."""

    queue: str
    id: str
    name: str
    state: str
    progress: Any
    failed_reason: str | None
    children: list[FlowNode]
    more: int
    """How many further children are not here."""


class Flow(TypedDict):
    """`GET /queues/{queue}/jobs/{id}/flow?depth=&children=&whole=`: from its root, or from itself."""

    now: int
    root: FlowNode
    of: JobRef


# -------------------------------------------------------------------------------------- schedulers, workers, Redis


class SchedulerRow(TypedDict):
    """A scheduler. `GET /schedulers?queue=`, `GET /queues/{queue}/schedulers/{id}`."""

    id: str
    queue: str
    name: str
    words: str
    cron: str | None
    every: int | None
    tz: str | None
    next: int | None
    next_job: str
    upcoming: list[int]
    """The next ten, the first included."""
    start: int | None
    end: int | None
    limit: int | None
    runs: int | None
    runs_left: int | None
    offset: int | None
    ended: bool
    legacy: bool
    late: bool
    """Whether its next run is more than a minute overdue."""
    overlap: str
    missed: str
    jitter: int
    data: Any
    options: Any
    problem: str | None
    """Why it can't be read here, if it can't."""
    paused: int | None
    """Since when it is paused. It is not in its queue then: no worker, of Oxcart or of BullMQ, runs it."""
    history: list[Run]
    """Its latest runs that are still kept, oldest first; at most 20."""


class Run(TypedDict):
    """A run of a scheduler."""

    id: str
    at: int
    """When it was due."""
    state: str
    """That of its job; `missed`: there is no job, since nobody had taken the run before it when this one was due."""
    took: int | None
    """How long its last attempt ran."""
    skipped: str | None
    """Why it was completed without being run, if it was: `missed` or `overlap`, by the scheduler's rules."""


class Schedulers(TypedDict):
    now: int
    schedulers: list[SchedulerRow]


class RunningJob(TypedDict):
    queue: str
    id: str
    name: str
    started: int | None
    progress: Any


class WorkerRow(TypedDict):
    """A worker that is connected."""

    queue: str
    name: str | None
    address: str
    age: int
    idle: int
    running: list[RunningJob]
    """As far as is known: by their locks, or by the worker's name in them."""
    slots: int | None
    """How many jobs it runs at once, if it says so: Node's don't."""
    paused: bool
    version: str | None
    """That of the user's program."""
    process: str | None
    """Machine and number of the process, the same for all workers in it; None if it doesn't say so."""
    library: str | None


class Workers(TypedDict):
    """`GET /workers`."""

    now: int
    workers: list[WorkerRow]
    allowed: bool
    """False if Redis does not let us list its clients."""
    unassigned: list[RunningJob]
    """Active jobs that don't say which worker has them."""


class Redis(TypedDict):
    """`GET /redis`."""

    now: int
    version: str
    kind: str
    """`redis` or `valkey`."""
    mode: str
    uptime: int
    address: str
    """Without a password."""
    used: int
    peak: int
    maximum: int
    """Bytes; 0 if there is none."""
    fragmentation: float
    policy: str
    clients: int
    blocked: int
    per_second: int
    persistence: str
    """In words, such as "append-only file, every second"."""
    warnings: list[str]
    """Settings that lose jobs, each in a sentence."""


# ---------------------------------------------------------------------------------------------------------- actions


class Done(TypedDict):
    """The answer to most actions."""

    done: int
    """How many jobs (or other things) were changed."""
    text: str
    """A sentence for people: "3 jobs run again"."""
    id: NotRequired[str]
    """Of a job that was added."""


class Revealed(TypedDict):
    """`POST /queues/{queue}/job/reveal`: what the page of a job hides, to those who may see it; noted in the audit."""

    id: str
    data: Any
    options: Any
    return_value: Any
    failed_reason: str | None
    cut: bool
    """Whether anything was left out since it is large: then it must not be edited; `whole: true` gives all of it."""


class Schemas(TypedDict):
    """`GET /queues/{queue}/schemas`: JSON Schemas of jobs' data by their names, for forms: `Dashboard(schemas=…)`."""

    schemas: dict[str, Any]


class Preview(TypedDict):
    """`POST /queues/{queue}/bulk/preview`: what a bulk action would do."""

    count: int
    exact: bool
    """False if not all could be looked at in time."""
    oldest: int | None
    newest: int | None
    samples: list[JobRow]


class Task(TypedDict):
    """`GET /tasks/{id}`: a bulk action under way in the server."""

    id: str
    queue: str
    action: str
    user: str | None
    begun: int
    ended: int | None
    done: int
    skipped: int
    """Those that were gone, or had moved on."""
    failed: int
    looked_at: int
    """How many of `total` it has come past: with a filter, not each of them matches."""
    total: int
    cancelled: bool
    problem: str | None


class AuditEntry(TypedDict):
    at: int
    user: str | None
    action: str
    queue: str | None
    target: str
    """An id, or a filter with a count."""
    result: str


class Audit(TypedDict):
    """`GET /audit`: who did what, the newest first; what this process remembers."""

    now: int
    entries: list[AuditEntry]


# ------------------------------------------------------------------------------------------------ history, alerts


class Spread(TypedDict):
    """How long something took, of `count` jobs."""

    count: int
    p50: int | None
    p95: int | None
    p99: int | None


class StatsPoint(TypedDict):
    """What happened in one step of time."""

    at: int
    """When it begins."""
    completed: int
    failed: int
    """Failed for good."""
    retried: int
    run: Spread
    wait: Spread
    """From being due to being taken."""


class NameStats(TypedDict):
    """The jobs of one name, over the whole time asked for."""

    queue: str
    name: str
    completed: int
    failed: int
    retried: int
    run: Spread
    wait: Spread


class Mark(TypedDict):
    """Something that happened at a time, such as a deploy: a line in the charts."""

    at: int
    text: str


class Stats(TypedDict):
    """`GET /stats?queue=&name=&from=&to=&step=`: what workers with a recorder counted, of one queue or of all."""

    now: int
    recorded: bool
    """Whether any worker counts here; if not, `Worker(recorder=True)` turns it on."""
    step: int
    points: list[StatsPoint]
    """Oldest first, one for each step, also where nothing happened."""
    names: list[NameStats]
    """The most failures first, then the most jobs; at most 200."""
    marks: list[Mark]


AlertKind = Literal["failures", "waiting", "oldest_waiting", "no_workers", "stalled", "paused"]
"""What a rule is about."""


class AlertRule(TypedDict):
    """A rule of `Dashboard(alerts=…)`."""

    id: str
    words: str
    """In a sentence: "more than 10 failures in 5 minutes in email"."""
    kind: AlertKind
    queues: str
    """A pattern."""
    over: int
    to: list[str]
    """Where it is sent, without secrets: "webhook hooks.example.com"."""
    firing: list[str]
    """The queues that it holds for now."""
    last: int | None
    """When it was last sent."""
    problem: str | None
    """Why it could not be sent, if the last time it could not."""


class Alerts(TypedDict):
    """`GET /alerts`."""

    now: int
    rules: list[AlertRule]


# ------------------------------------------------------------------------------------------------------------- live


class Tick(TypedDict):
    """An event `tick` of `GET /live`: in which queues something has happened, with numbers; at most 2 a second."""

    now: int
    queues: list[TickQueue]


class TickQueue(TypedDict):
    name: str
    counts: Counts
    paused: bool
    jobs: list[TickJob]
    """The jobs that something happened to, at most 50; the last of each."""


class TickJob(TypedDict):
    id: str
    state: str | None
    """Where it went, as far as the event says it."""
    progress: Any
