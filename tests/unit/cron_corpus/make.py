"""Asks cron-parser and writes its answers down: `python -m tests.unit.cron_corpus.make`, with Node and its packages.

What we do otherwise on purpose is not part of the corpus, but of `differences.json`, which is kept by hand.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tests.interop.cron_peer import Answer, Case, CronPeer

from . import CORPUS, Chain, Corpus, write_corpus
from .patterns import FEATURES, RARE, REFUSED, REFUSED_ZONES, TOO_LONG, ZONES, changes, random_pattern

LENGTH = 3


def cases_near_changes(rand: random.Random) -> list[Case]:
    """In each zone: every feature once, and many patterns for the hours around its changes."""
    cases: list[Case] = [
        (pattern, zone, int(datetime.fromisoformat(start).timestamp()) * 1000, LENGTH) for pattern, zone, start in RARE
    ]
    for zone, years in ZONES.items():
        all_changes = changes(zone, *years)
        for pattern in FEATURES:
            change = rand.choice(all_changes)
            cases += [(pattern, zone, start, LENGTH) for start in _starts_near(rand, change, 3)]
        for _ in range(150):
            change = rand.choice(all_changes)
            hour = datetime.fromtimestamp(change, ZoneInfo(zone)).hour
            day = datetime.fromtimestamp(change, ZoneInfo(zone)).day
            pattern = random_pattern(rand, near_hour=hour, near_day=day)
            cases += [(pattern, zone, start, LENGTH) for start in _starts_near(rand, change, 8)]
    return cases


def _starts_near(rand: random.Random, change: int, count: int) -> list[int]:
    return [1000 * (change + _away(rand)) + (rand.randint(1, 999) if rand.random() < 0.1 else 0) for _ in range(count)]


def _away(rand: random.Random) -> int:
    """Seconds from a change, mostly before it."""
    return rand.choice(
        (
            60 * rand.randint(-3000, 300),
            900 * rand.randint(-120, 12),
            rand.randint(-9000, 9000),
            rand.choice((-86400 * 30, -86400 * 7, -86400, -3600, -1800, -1, 0, 1, 1800, 3600)),
        )
    )


def cases_anywhere(rand: random.Random) -> list[Case]:
    """Without changes: leap years, ends of months and years, and anything from 1970 to 2110."""
    years = (1999, 2000, 2026, 2027, 2028, 2099, 2100)
    turns = [datetime(year, month, 1, tzinfo=UTC) for year in years for month in (1, 3, 5)]
    cases: list[Case] = []
    for number in range(900):
        pattern = FEATURES[number] if number < len(FEATURES) else random_pattern(rand)
        for _ in range(8):
            start = rand.randint(0, 4_417_000_000_000) // 1000 * 1000
            if rand.random() < 0.5:
                start = int(rand.choice(turns).timestamp()) * 1000 - rand.choice((0, 1, 1000, 60_000, 86_400_000 * 3))
            cases.append((pattern, "UTC", start, LENGTH))
    return cases


def chain_of(case: Case, answer: list[int], peer: CronPeer) -> Chain:
    """Cut where cron-parser is caught in a circle or goes back, as it does where clocks go back by half an hour."""
    pattern, start = case[0], case[2]
    matches: list[int | None] = []
    for match in answer:
        if match <= start:
            return Chain(*case[:3], matches)
        matches.append(match)
        start = match
    # Then it finds nothing here, but does in UTC.
    if len(matches) < LENGTH and peer([(pattern, "UTC", start, 1)]) == [[]]:
        matches.append(None)
    return Chain(*case[:3], matches)


def ask(peer: CronPeer, cases: list[Case]) -> list[Answer]:
    answers: list[Answer] = []
    for first in range(0, len(cases), 500):
        answers += peer(cases[first : first + 500])
    return answers


def main() -> None:
    rand = random.Random(20)
    cases = cases_near_changes(rand) + cases_anywhere(rand)
    chains: list[Chain] = []
    refused: list[tuple[str, str]] = []
    with CronPeer() as peer:
        for case, answer in zip(cases, ask(peer, cases), strict=True):
            if isinstance(answer, str):
                refused.append(case[:2])
            elif (chain := chain_of(case, answer, peer)).matches_ms:
                chains.append(chain)
        tried: list[Case] = [(pattern, "UTC", 0, 1) for pattern in REFUSED + TOO_LONG]
        tried += [("0 8 * * *", zone, 0, 1) for zone in REFUSED_ZONES]
        for case, answer in zip(tried, ask(peer, tried), strict=True):
            assert isinstance(answer, str), f"cron-parser takes {case}"
            refused.append(case[:2])
        write_corpus(Corpus(peer.versions, chains, sorted(set(refused))))
    print(f"{len(chains)} chains, {len(set(refused))} refused, {CORPUS.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
