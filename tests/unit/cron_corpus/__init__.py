"""What cron-parser says to a great many patterns, and how to read it. `make.py` writes it anew."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
CORPUS = HERE / "corpus.jsonl.gz"
DIFFERENCES = HERE / "differences.json"


class Chain(NamedTuple):
    """An instant and the matches after it, each as the next of the one before; `None` at the end if there is none."""

    pattern: str
    zone: str
    start_ms: int
    matches_ms: list[int | None]


class Corpus(NamedTuple):
    """The versions that it was made with, the chains, and the patterns and zones that are refused."""

    versions: dict[str, str]
    chains: list[Chain]
    refused: list[tuple[str, str]]


def read_corpus() -> Corpus:
    versions, *groups = _lines()
    chains = [Chain(group[0], group[1], *_unpacked(run)) for group in groups if len(group) == 3 for run in group[2]]
    return Corpus(versions, chains, [(group[0], group[1]) for group in groups if len(group) == 2])


def write_corpus(corpus: Corpus) -> None:
    """One line for a pattern in a zone: `[pattern, zone, [[start in ms, seconds to the next, to its next …] …]]`."""
    groups: dict[tuple[str, str], list[list[int | None]]] = {}
    for chain in corpus.chains:
        groups.setdefault((chain.pattern, chain.zone), []).append(_packed(chain))
    lines: list[Any] = [corpus.versions, *([*key, sorted(runs, key=str)] for key, runs in sorted(groups.items()))]
    lines += sorted(corpus.refused)
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    CORPUS.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def _lines() -> Iterator[Any]:
    return map(json.loads, gzip.decompress(CORPUS.read_bytes()).splitlines())


def _packed(chain: Chain) -> list[int | None]:
    run: list[int | None] = [chain.start_ms]
    last = chain.start_ms // 1000
    for match in chain.matches_ms:
        run.append(None if match is None else match // 1000 - last)
        last = (match or 0) // 1000
    return run


def _unpacked(run: list[int | None]) -> tuple[int, list[int | None]]:
    start, *steps = run
    assert start is not None
    last = start // 1000 * 1000
    matches: list[int | None] = []
    for step in steps:
        last += (step or 0) * 1000
        matches.append(None if step is None else last)
    return start, matches
