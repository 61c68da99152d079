"""What is needed to run it for real: each file says the same as the application."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from oxcart import Worker

from taskmanager.settings import Settings
from taskmanager.worker import workers

FOLDER = Path(__file__).parents[1]
ROOT = FOLDER.parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "docker-compose.yml").read_text())
NAMES = {name.upper() for name in Settings.model_fields}


def test_the_example_of_settings_has_all_of_them_with_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA_DIR")
    text = (FOLDER / ".env.example").read_text()
    given = re.findall(r"^#([A-Z_]+)=(.*)$", text, re.MULTILINE)
    assert {name for name, _ in given} == NAMES
    for name, value in given:
        monkeypatch.setenv(name, value)
        if name != "DATABASE_URL" or "PASSWORD" not in value:
            field = name.lower()
            assert getattr(Settings(), field) == Settings.model_fields[field].get_default(), name
        monkeypatch.delenv(name)


def test_the_readme_has_all_settings() -> None:
    text = (FOLDER / "README.md").read_text()
    assert [name for name in sorted(NAMES) if f"`{name}`" not in text] == []


def is_target(target: str) -> bool:
    module, _, name = target.partition(":")
    return hasattr(import_module(module), name)


def test_the_procfile_starts_what_there_is() -> None:
    lines = dict(line.split(": ", 1) for line in (FOLDER / "Procfile").read_text().splitlines())
    assert lines.keys() == {"web", "worker"}
    web, worker = (shlex.split(line) for line in lines.values())
    assert web[0] == "uvicorn" and is_target(web[1])
    assert worker[:2] == ["oxcart", "worker"] and is_target(worker[2])


def test_the_workers_are_those_of_all_queues(settings: Settings) -> None:
    found = workers(settings)
    assert all(isinstance(worker, Worker) for worker in found)
    assert [worker.queue_name for worker in found] == ["email", "notifications", "reports", "images", "alerts"]


@pytest.mark.parametrize("service", ["web", "worker"])
def test_compose_sets_settings_that_there_are(service: str) -> None:
    given = cast(dict[str, str], COMPOSE["services"][service]["environment"])
    assert set(given) <= NAMES
    plain = {name: re.sub(r"\$\{[A-Z_]+:-(.*?)\}", r"\1", value) for name, value in given.items()}
    chosen = Settings.model_validate({name.lower(): value for name, value in plain.items() if value})
    assert chosen.production and not chosen.shows_dashboard
    assert chosen.database_url == "postgresql://taskmanager:taskmanager@postgres/taskmanager"


def test_the_parts_of_compose_find_each_other() -> None:
    services = COMPOSE["services"]
    volumes = [volume.partition(":")[0] for service in services.values() for volume in service.get("volumes", [])]
    assert set(volumes) == set(COMPOSE["volumes"])
    assert services["web"]["volumes"] == services["worker"]["volumes"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
    target = services["worker"]["command"][2]
    assert is_target(target)
    redis = services["redis"]["command"]
    assert redis[redis.index("--appendonly") + 1] == "yes"
    assert redis[redis.index("--maxmemory-policy") + 1] == "noeviction"


def test_workers_in_containers_have_an_init_before_them() -> None:
    services = COMPOSE["services"].values()
    workers = [service for service in services if service.get("command", [])[:2] == ["oxcart", "worker"]]
    assert workers and all(service.get("init") is True for service in workers)


def test_the_image_is_made_of_files_that_there_are() -> None:
    build = COMPOSE["services"]["web"]["build"]
    assert (FOLDER / build["context"]).resolve() == ROOT
    dockerfile = (ROOT / build["dockerfile"]).read_text()
    copied = [words[1:-1] for line in dockerfile.splitlines() if (words := line.split()) and words[0] == "COPY"]
    sources = [source for sources in copied for source in sources if not source.startswith("--from")]
    assert [source for source in sources if not source.startswith("/") and not (ROOT / source).exists()] == []
    assert "USER app" in dockerfile
