"""`oxcart bench`: figures for every measure, ratios where Node is there, nothing left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart.bench.figures import FIGURES, Run
from oxcart.bench.report import Report
from oxcart.bench.run import _server as find_server
from oxcart.cli.main import bench
from tests.conftest import RedisServer, in_ci
from tests.interop.peer import HERE, missing

FACTS: dict[str, Any] = {
    "oxcart": "1.0",
    "python": "3.11.7",
    "uvloop": None,
    "node": "20.0.0",
    "bullmq": "6.7.0",
    "server": "Redis 7.0.15",
    "append_only_file": False,
    "cpus": 2,
    "pairs": 3,
    "quick": False,
}


def run_bench(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it in a folder, as there is none of Node's packages in."""
    command = [sys.executable, "-m", "oxcart.cli.main", "bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300)


def test_the_variable_of_our_own_comes_first_and_the_help_says_so(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://localhost:1")
    monkeypatch.setenv("OXCART_REDIS_URL", redis_server.url)
    with find_server(None) as server:
        assert server.url == redis_server.url
    [url] = [option for option in bench.params if option.name == "url"]
    assert "else OXCART_REDIS_URL, REDIS_URL" in str(url.to_info_dict()["help"])


async def test_a_quick_run_gives_a_figure_for_every_measure_and_leaves_nothing(
    redis_server: RedisServer, redis: Redis, tmp_path: Path
) -> None:
    done = run_bench("--quick", "--json", "--redis", redis_server.url, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert set(report["figures"]) == {figure.name for figure in FIGURES}
    for figure in report["figures"].values():
        assert figure["ours"] > 0
        assert figure["runs"]["ours"] == [figure["ours"]]
        assert figure["node"] is figure["ratio"] is figure["verdict"] is None
    assert report["facts"]["python"] and report["facts"]["server"] and report["facts"]["cpus"] >= 1
    assert report["facts"]["node"] is None
    assert [key async for key in redis.scan_iter("*oxcart-bench-*")] == []


@pytest.mark.interop
async def test_beside_node_every_figure_has_a_ratio(redis_server: RedisServer, redis: Redis, tmp_path: Path) -> None:
    if lack := missing():
        (pytest.fail if in_ci() else pytest.skip)(f"BullMQ for Node: {lack}")
    arguments = ["--quick", "--redis", redis_server.url, "--node-modules", str(HERE / "node_modules")]
    done = run_bench("--json", *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["facts"]["node"] and report["facts"]["bullmq"]
    for name, figure in report["figures"].items():
        assert figure["ratio"] == pytest.approx(figure["ours"] / figure["node"]), name
        assert (figure["verdict"] is None) == (figure["goal"] is None)
    assert [key async for key in redis.scan_iter("*oxcart-bench-*")] == []


def test_with_one_name_only_that_is_measured(redis_server: RedisServer, tmp_path: Path) -> None:
    arguments = ["--quick", "--only", "add-bulk", "--pairs", "2", "--redis", redis_server.url]
    done = run_bench(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "add in bulk of 1,000" in done.stdout
    assert "process" not in done.stdout
    assert "no BullMQ for Node found" in done.stdout
    assert "2 runs" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--only", "flying"], 2, "no measure 'flying', but add-one, "),
        (["--node-modules", "."], 2, "--node-modules: "),
        (["--redis", "http://localhost"], 2, "a URL starts with"),
        (["--redis", "unix:///nowhere/s"], 1, "Redis: "),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments: list[str], code: int, says: str, tmp_path: Path) -> None:
    done = run_bench("--quick", *arguments, folder=tmp_path)
    assert done.returncode == code
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_run_that_fails_says_why_and_leaves_nothing(redis_server: RedisServer, tmp_path: Path) -> None:
    package = tmp_path / "node_modules/bullmq"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"version": "0.0.1"}')
    program = tmp_path / "node"
    program.write_text("#!/bin/sh\n[ $1 = --version ] && echo v1 && exit\necho 'Error: out of order' >&2\nexit 3\n")
    program.chmod(0o755)
    command = [sys.executable, "-m", "oxcart.cli.main", "bench", "--quick", "--redis", redis_server.url]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr == "oxcart: add-one by node ended with 3: Error: out of order\n"


def made_up(ours: list[float], node: list[float]) -> Report:
    """Runs of process-100 that took so many seconds."""
    report = Report(FACTS)
    report.ours["process-100"] = [Run(1000, seconds, 0.01, 0.03) for seconds in ours]
    report.node["process-100"] = [Run(1000, seconds, 0.05, 0.06) for seconds in node]
    return report


def test_the_ratio_is_the_median_of_the_pairs() -> None:
    [row, *_] = made_up([0.1, 0.1, 0.2], [0.2, 0.4, 1.0]).rows()
    assert row.ratios == pytest.approx([2, 4, 5])
    assert row.as_json()["ratio"] == pytest.approx(4)
    assert row.as_json()["node"] == pytest.approx(2500)


def test_the_table_names_goals_and_says_whether_they_are_reached() -> None:
    report = made_up([0.1, 0.1, 0.1], [0.2, 0.4, 0.5])
    table = report.as_table().splitlines()
    assert table[0].startswith("Oxcart 1.0 on Python 3.11.7 (no uvloop) · Node 20.0.0 with BullMQ 6.7.0 · Redis 7.0.15")
    [speed] = [line for line in table if line.startswith("process, concurrency 100")]
    [redis_cpu] = [line for line in table if line.startswith("– Redis CPU")]
    [client_cpu] = [line for line in table if line.startswith("– client CPU")]
    assert "10.0 k/s (10.0–10.0)" in speed and "4.00 × (2.00–5.00)" in speed and "≥ 3 ×  " in speed
    assert speed.endswith("ok")
    assert "30 µs" in redis_cpu and "0.50 ×" in redis_cpu and redis_cpu.endswith("below")
    assert "0.20 ×" in client_cpu and client_cpu.endswith("ok")


def test_a_machine_busy_with_something_else_is_told() -> None:
    report = Report(FACTS, ours={"process-1": [Run(1000, 1.0, 0.2, 0.2, others_cpu_s=0.6)]}, node={"process-1": []})
    assert report.others_share() == pytest.approx(0.3)
    assert "busy with something else meanwhile (30% of it)" in report.as_table()
    assert "busy" not in made_up([0.1], [0.4]).as_table()


def test_markdown_has_the_same_cells() -> None:
    markdown = made_up([0.1], [0.4]).as_markdown()
    assert "| process, concurrency 100 | 10.0 k/s | 2.5 k/s | 4.00 × | ≥ 3 × | ok |" in markdown
