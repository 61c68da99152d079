"""Redactor: secrets in the forms in which they come in texts, and all else as it was."""

from __future__ import annotations

import json
import time

import pytest

from oxcart.dashboard import Redactor
from oxcart.dashboard.redact import MASK, SECRET_WORDS

SECRET = "hunter2"

LEAKS = (
    *(f"{name}={SECRET}" for name in ("password", "DB_PASSWORD", "userPassword", "access_token", "X-Api-Key", "iban")),
    *(f"{name}: {SECRET}" for name in ("client_secret", "AWS_SECRET_ACCESS_KEY", "cvv", "private_key", "Set-Cookie")),
    f'bad login {{"user": "ada", "password": "{SECRET}"}}',
    f"bad login {{'user': 'ada', 'password': '{SECRET}'}}",
    f'User(name="ada", password="two {SECRET} words")',
    f'it said {{\\"password\\":\\"a\\\\\\"{SECRET}\\"}}',
    f"password => {SECRET}",
    f"password := {SECRET}",
    f"if token == '{SECRET}':",
    f"password\u00a0=\u00a0{SECRET}",
    f"password[0]={SECRET}",
    f"user[password]={SECRET}&n=1",
    f"password=b'{SECRET}'",
    f"password=SecretStr('{SECRET}')",
    f"credentials={{'user': 'ada', 'pin': '}}', 'words': ['{SECRET}']}}",
    f'"passwords": ["a", "{SECRET}"',
    f"Authorization: Token {SECRET}",
    f'Authorization: Digest user="ada", response="{SECRET}"',
    f"headers={{'Authorization': 'Bearer {SECRET}'}}",
    f"Cookie: theme=dark; sid={SECRET}",
    f"mysql --password {SECRET} -h db",
    f"['mysql', '--password', '{SECRET}']",
    f"GET https://x/y?access_token={SECRET}&a=1",
    f"redis://user:{SECRET}@host",
    f"redis://:{SECRET}@host",
    f"postgres://u:p@{SECRET}@host/db",
    f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
)

HARMLESS = (
    "InvalidTokenError: that of ada is too old",
    "SyntaxError: Unexpected token } in JSON at position 5",
    'File "/app/token.py", line 3, in session',
    "    at Session.run (/app/session.js:10:5)",
    "std::token::Error",
    "password=None, token='', secret=",
    "connect to redis://host:6379 for ada@example.com",
    "https://host:8080/path?email=ada@example.com",
    "the session is over, the token was used",
    "name=ada user: bob [x]='1' --verbose yes",
    f"password={MASK}",
)


@pytest.mark.parametrize("text", LEAKS)
def test_a_secret_in_a_text_is_masked_however_it_is_written(text: str) -> None:
    shown = Redactor().text(text)
    assert SECRET not in shown and MASK in shown
    assert Redactor().text(shown) == shown
    assert SECRET not in str(Redactor().value({"body": [text]}))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays_as_it_was(text: str) -> None:
    assert Redactor().text(text) == text


def test_what_stands_around_a_secret_stays_readable() -> None:
    text = Redactor().text
    assert json.loads(text(json.dumps({"a": 1, "token": "x", "b": {"password": 'y"z'}}))) == {
        "a": 1,
        "token": MASK,
        "b": {"password": MASK},
    }
    assert text("login(user='ada', password='x') in 3 s") == f"login(user='ada', password='{MASK}') in 3 s"
    assert text("{'a': {'cvv': 123}} and on") == f"{{'a': {{'cvv': {MASK}}}}} and on"
    assert text('{"url": "https://x/?token=abc", "b": "c"}') == f'{{"url": "https://x/?token={MASK}", "b": "c"}}'
    assert text("Cookie: a=1; b=2\nHost: x") == f"Cookie: {MASK}\nHost: x"


def test_words_of_ones_own_hold_for_names_and_for_texts() -> None:
    redactor = Redactor((*SECRET_WORDS, "salaryOf"))
    assert redactor.text("no: salary_of=90000 is too much") == f"no: salary_of={MASK} is too much"
    assert redactor.value({"salary-of": 1, "note": "salaryOfAda: 90000"}) == (
        {"salary-of": MASK, "note": f"salaryOfAda: {MASK}"},
        True,
    )
    assert Redactor(()).text("password=x redis://u:p@h") == "password=x redis://u:p@h"


@pytest.mark.parametrize(
    "piece",
    "token token= token=' token=\" token=\\\" token={ token=[ token='\\' token={'\\' ://a: --token - a= = [x] \\ ' \" "
    'cookie:=" token=a( token=) token[ -----BEGIN\u00a0PRIVATE\u00a0KEY-----'.split(" "),
)
def test_hostile_texts_take_no_time(piece: str) -> None:
    redactor = Redactor()
    long = piece.replace("\u00a0", " ") * (100_000 // len(piece))
    begun = time.process_time()
    for text in (long, f"token={long}", f"token='{long}", f"token={{{long}", f"token: {long}\n=", f"{long} " * 2):
        redactor.text(text)
    assert time.process_time() - begun < 5
