"""Seeds what workers with a recorder would have left of the seeded queues: 15 days, two deploys, some failures."""

from __future__ import annotations

import json
import math
import random
import time

from oxcart import Connection
from oxcart.protocol.calls import stats
from oxcart.protocol.keys import Keys
from oxcart.tally import DAY_MS, HOUR_MS, LEVELS, Tally, bucket_of, total
from oxcart.traces import fingerprint, normalised

BUSY = {
    "email": {"welcome": 220, "receipt": 140, "newsletter": 60, "digest": 8},
    "reports": {"monthly": 6, "weekly": 14, "invoice": 35},
    "notifications": {"push": 600, "part": 90, "sms": 25},
}
"""How many jobs of each name there are in a busy hour."""

RUNS = {"reports": 9000.0, "email": 350.0, "notifications": 60.0}
FAILED = (
    ("email", "receipt", "ConnectionError", "/srv/shop/mail/client.py\ndeliver", "connect ETIMEDOUT 10.0.0.4:587", 41),
    (
        "email",
        "welcome",
        "Error",
        "/srv/app/src/mail/send.ts\nsendMail",
        "550 5.1.1 mailbox a@b.example unavailable",
        17,
    ),
    ("reports", "invoice", "MemoryError", "/srv/shop/jobs/report.py\nrender", "can't allocate 812 MB", 3),
)


async def seed_history(url: str, prefix: str = "bull", *, seed: int = 7, now: int | None = None) -> None:
    """Fill the history of `email`, `reports` and `notifications`."""
    dice = random.Random(seed)
    now = time.time_ns() // 1_000_000 if now is None else now
    async with Connection(url) as connection:
        execute = connection.transport.execute
        for queue, names in BUSY.items():
            keys = Keys(queue, prefix)
            for level in LEVELS:
                first = now - now % level.step_ms
                for back in range(min(level.keep_ms // level.step_ms, 120 if level.step_ms == DAY_MS else 10**6)):
                    at = first - back * level.step_ms
                    flat = [
                        part
                        for name, count in names.items()
                        for part in (name, _tally(queue, count, at, level.step_ms, dice).as_text())
                    ]
                    await execute("HSET", keys.step(level.letter, at), *flat)
                    await execute("PEXPIRE", keys.step(level.letter, at), level.keep_ms)
            sums = {
                name: total(_tally(queue, count, now - n * HOUR_MS, HOUR_MS, dice) for n in range(24))
                for name, count in names.items()
            }
            await execute(
                "HSET", keys.step_total, *(part for name, one in sums.items() for part in (name, one.as_text()))
            )
            await execute("PEXPIRE", keys.step_total, LEVELS[-1].keep_ms)
        for queue, name, kind, place, reason, most in FAILED:
            what = fingerprint(kind, normalised(reason), place)
            for number, back in enumerate(sorted(dice.sample(range(24), 8)), 1):
                at = now - back * HOUR_MS
                example = json.dumps(
                    {"kind": kind, "place": place, "reason": reason, "name": name, "id": "gone", "at": at}
                )
                seen = [(what, dice.randrange(1, most), at, example)]
                worker = f"seed-{kind}"
                call = stats.add_failures(Keys(queue, prefix), worker, number, at - at % HOUR_MS, seen)
                await connection.run(call)
        for version, back in (("1.4.0", 9 * DAY_MS), ("1.4.1", 3 * DAY_MS), ("1.5.0", 5 * HOUR_MS)):
            at = now - back
            await execute("ZADD", Keys("email", prefix).marks, at, f"{at}:version {version}")
        await execute("PEXPIRE", Keys("email", prefix).marks, LEVELS[-1].keep_ms)


def _tally(queue: str, per_hour: int, at: int, step_ms: int, dice: random.Random) -> Tally:
    """What may have happened in a step: more by day, worse in some hours."""
    hour = at % DAY_MS / HOUR_MS
    swing = 1.0 if step_ms == DAY_MS else 0.55 + 0.45 * math.sin((hour - 8) / 24 * 2 * math.pi)
    mean = per_hour * swing * step_ms / HOUR_MS * (0.6 if step_ms == DAY_MS else 1)
    count = max(round(dice.gauss(mean, math.sqrt(mean) + 0.2)), 0)
    bad = dice.random() < 0.05
    tally = Tally()
    for _ in range(min(count, 60)):
        ran = dice.lognormvariate(math.log(RUNS[queue] * (3 if bad else 1)), 0.7)
        waited = dice.lognormvariate(math.log(40 * (10 if bad else 1)), 1.1)
        share = max(count // 60, 1)
        tally.run[bucket_of(int(ran))] = tally.run.get(bucket_of(int(ran)), 0) + share
        tally.wait[bucket_of(int(waited))] = tally.wait.get(bucket_of(int(waited)), 0) + share
        tally.run_ms += int(ran) * share
        tally.wait_ms += int(waited) * share
    tally.failed = round(count * (0.12 if bad else 0.012) * dice.random() * 2)
    tally.retried = round(tally.failed * 2.5)
    tally.completed = max(count - tally.failed, 0)
    return tally
