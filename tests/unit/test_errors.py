"""Which errors of Redis pass by themselves, and which are bugs."""

from __future__ import annotations

import pytest

from oxcart import ConnectionFailed, JobNotFound, LockLost, OxcartError, ScriptError, ServerRefused
from oxcart.errors import refusal, server_error

PASSING = {
    "LOADING Redis is loading the dataset in memory": "LOADING",
    "READONLY You can't write against a read only replica.": "READONLY",
    "MASTERDOWN Link with MASTER is down": "MASTERDOWN",
    "CLUSTERDOWN The cluster is down": "CLUSTERDOWN",
    "TRYAGAIN Multiple keys request during rehashing of slot": "TRYAGAIN",
    "BUSY Redis is busy running a script.": "BUSY",
    "NOREPLICAS Not enough good replicas to write.": "NOREPLICAS",
    "MISCONF Redis is configured to save RDB snapshots": "MISCONF",
    "OOM command not allowed when used memory > 'maxmemory'.": "OOM",
    "ERR Error running script (call to f_x): @user_script:7: -OOM command not allowed": "OOM",
    "UNBLOCKED force unblock from blocking operation": "UNBLOCKED",
    "NOAUTH Authentication required.": "NOAUTH",
    "WRONGPASS invalid username-password pair": "WRONGPASS",
    "ERR max number of clients reached": "MAXCLIENTS",
}


@pytest.mark.parametrize("message", PASSING)
def test_what_passes_by_itself_is_told_from_a_bug(message: str) -> None:
    error = server_error(message)
    assert isinstance(error, ServerRefused)
    assert isinstance(error, ConnectionFailed)
    assert error.code == PASSING[message]


@pytest.mark.parametrize(
    "message", ["WRONGTYPE Operation against a key", "ERR unknown command", "NOSCRIPT No matching"]
)
def test_anything_else_is_an_error_of_a_script(message: str) -> None:
    assert type(server_error(message)) is ScriptError


@pytest.mark.parametrize(("code", "kind"), [(-1, JobNotFound), (-2, LockLost), (-6, LockLost)])
def test_a_refusal_names_the_job_and_its_queue(code: int, kind: type[OxcartError]) -> None:
    error = refusal(code, "17", "email")
    assert type(error) is kind
    assert "job 17 of email" in str(error)
    assert (error.job_id, error.code) == ("17", code)


def test_connection_errors_are_the_standard_librarys_too() -> None:
    assert issubclass(ConnectionFailed, ConnectionError)
