"""The API is as its OpenAPI document says, whatever is asked: by requests made from it, right ones and wrong ones."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from oxcart.dashboard import Dashboard
from oxcart.dashboard.openapi import document
from oxcart.dashboard.parameters import PARAMETERS
from oxcart.dashboard.routes import ROUTES
from oxcart.dashboard.web.guard import Buckets
from tests.conftest import RedisServer, make_server
from tests.dashboard.seed import seed

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 8
"""So many requests of each kind, for each operation."""

KNOWN = {"queue": "email", "id": "three-attempts", "task": "none"}
"""What is there on the seeded server, so that not all that is asked for is not found."""

DOCUMENT = document("", ROUTES)
OPERATIONS = [
    (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods if path != "/live"
]


@dataclass
class Api:
    """A running dashboard and its description."""

    url: str
    schema: Any
    session: requests.Session
    dashboard: Dashboard

    def operation(self, method: str, path: str) -> Any:
        return self.schema[path][method]


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """A dashboard over a server that is seeded and thrown away, which takes as many requests as come."""
    for server in make_server():
        asyncio.run(seed(server.url))
        yield from _served(server)


def _served(server: RedisServer) -> Iterator[Api]:
    dashboard = Dashboard(connection=server.url)
    dashboard._guard._reads = dashboard._guard._writes = Buckets(1e9, 1)
    config = uvicorn.Config(dashboard, port=0, log_level="error", lifespan="on")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    url = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    try:
        schema: Any = schemathesis.openapi.from_dict(DOCUMENT)
        schema.config.update(base_url=f"{url}/api/v1")
        with requests.Session() as session:
            yield Api(url, schema, session, dashboard)
    finally:
        running.should_exit = True
        thread.join()


def ask(api: Api, method: str, path: str, mode: GenerationMode, checks: list[Any]) -> None:
    """Send what hypothesis makes of an operation, the same at each run, and look at the answers."""
    strategy = api.operation(method, path).as_strategy(generation_mode=mode)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(case=strategy)
    def each(case: Any) -> None:
        aim(case)
        case.call_and_validate(session=api.session, headers={"origin": api.url}, checks=checks)

    each()


def aim(case: Any) -> None:
    """Of each two requests let one be about something that is there; an empty text stays, which is a wrong one."""
    for values in (case.path_parameters, case.query, case.body):
        if isinstance(values, dict):
            for name, known in KNOWN.items():
                given_one = values.get(name)
                if isinstance(given_one, str) and given_one and len(given_one) % 2 == 0:
                    values[name] = known


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda part: str(part))
def test_answers_to_right_requests_are_as_described(api: Api, method: str, path: str) -> None:
    ask(api, method, path, GenerationMode.POSITIVE, CHECKS)


# Of a path alone nothing can be wrong: whatever stands there is a text.
@pytest.mark.parametrize(
    ("method", "path"),
    [one for one in OPERATIONS if one[0] == "POST" or one[1] in PARAMETERS],
    ids=lambda part: str(part),
)
def test_wrong_requests_are_refused_as_described(api: Api, method: str, path: str) -> None:
    # JSON-RPC has its refusals in bodies of its own.
    checks = CHECKS if path == "/mcp" else [*CHECKS, negative_data_rejection]
    ask(api, method, path, GenerationMode.NEGATIVE, checks)


def test_an_answer_that_is_not_as_described_is_found(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(api, "GET", "/board", GenerationMode.POSITIVE, CHECKS)
    running = api.dashboard._running
    assert running is not None
    monkeypatch.setattr(running.board, "title", 7)
    with pytest.raises(FailureGroup):
        ask(api, "GET", "/board", GenerationMode.POSITIVE, CHECKS)
