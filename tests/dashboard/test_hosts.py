"""The dashboard in applications of others: Django with its users, FastAPI behind a proxy that takes a path away."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fastapi
import httpx
import pytest

from oxcart import Queue
from oxcart.dashboard import Dashboard
from oxcart.sync import Queue as SyncQueue
from tests.conftest import RedisServer
from tests.dashboard.conftest import WRITES
from tests.docs.snippets import ROOT, python_blocks

SETTINGS = """
SECRET_KEY = "engine-1843"
DEBUG = False
ALLOWED_HOSTS = ["localhost"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "django.contrib.messages",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
"""
URLS = """
from django.contrib import admin
from django.urls import path
urlpatterns = [path("admin/", admin.site.urls)]
"""
USERS = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User
User.objects.create_superuser("ada", password="engine")
User.objects.create_user("bob", password="engine")
"""


def module_of_the_docs(name: str) -> str:
    """A module as docs/dashboard.md shows it."""
    [block] = [one for one in python_blocks(ROOT / "docs/dashboard.md") if one.module == name]
    return block.code


@contextmanager
def served(folder: Path, redis_url: str, *arguments: str) -> Iterator[httpx.Client]:
    """An application in a folder, served by a uvicorn of its own, and a client of it."""
    with socket.socket() as listening, (folder / "log").open("w") as log:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        command = [sys.executable, "-m", "uvicorn", *arguments, "--fd", str(listening.fileno())]
        server = subprocess.Popen(
            command, cwd=folder, env=environment(folder, redis_url), pass_fds=[listening.fileno()], stderr=log
        )
    try:
        with httpx.Client(base_url=f"http://localhost:{port}", timeout=60) as client:
            yield client
        server.terminate()
        server.wait(20)
        assert "Traceback" not in (folder / "log").read_text()
    finally:
        server.kill()
        server.wait()


def environment(folder: Path, redis_url: str) -> dict[str, str]:
    known = {**os.environ, "OXCART_REDIS_URL": redis_url, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    return known | {"DJANGO_SETTINGS_MODULE": "settings"}


@pytest.fixture
def project(tmp_path: Path, redis_server: RedisServer) -> Iterator[httpx.Client]:
    """A project of Django with two users, and a client of it."""
    for name, text in (("settings", SETTINGS), ("urls", URLS), ("asgi", module_of_the_docs("asgi"))):
        (tmp_path / f"{name}.py").write_text(text)
    known = environment(tmp_path, redis_server.url)
    subprocess.run([sys.executable, "-c", USERS], cwd=tmp_path, env=known, check=True, timeout=120)
    with served(tmp_path, redis_server.url, "asgi:application") as client:
        yield client


@pytest.fixture
def jobs(redis_server: RedisServer, queue_name: str) -> Iterator[SyncQueue]:
    """A queue with a job."""
    with SyncQueue(queue_name, connection=redis_server.url) as queue:
        queue.add("welcome")
        yield queue
        queue.pause()
        queue.obliterate()


def log_in(client: httpx.Client, name: str) -> None:
    """As a browser does it, in Django's admin."""
    client.cookies.clear()
    client.get("/admin/login/")
    form = {"username": name, "password": "engine", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    client.post("/admin/login/", data=form, headers={"referer": str(client.base_url)})


def test_djangos_staff_may_come_in_and_its_other_users_may_not(project: httpx.Client, jobs: SyncQueue) -> None:
    board = "/admin/queues/api/v1/board"
    assert project.get("/admin/queues/").status_code == 401
    assert project.get(board).status_code == 401
    log_in(project, "bob")
    assert project.get(board).status_code == 401
    log_in(project, "ada")
    assert project.get(board).json()["user"] == "ada"
    page = project.get("/admin/queues/")
    assert page.status_code == 200 and '"base": "/admin/queues"' in page.text
    headers = WRITES | {"origin": str(project.base_url).rstrip("/")}
    done = project.post(f"/admin/queues/api/v1/queues/{jobs.name}/add", json={"name": "x"}, headers=headers)
    assert done.json()["done"] == 1, done.text
    assert "Site administration" in project.get("/admin/").text  # Django's own pages are where they were
    project.cookies.clear()
    assert project.get(board).status_code == 401


# ---------------------------------------------------------------------------------------------------------- FastAPI


@pytest.mark.filterwarnings("ignore:The `root_path` parameter")
@pytest.mark.parametrize("stripped", [True, False], ids=["the proxy takes the path away", "the path stays"])
async def test_fastapi_with_a_root_path_behind_a_proxy(redis_server: RedisServer, queue: Queue, stripped: bool) -> None:
    await queue.add("welcome", {"n": 1})
    app = fastapi.FastAPI(root_path="/shop")
    dashboard = Dashboard(connection=redis_server.url)
    app.mount("/admin/queues", dashboard)
    before = "" if stripped else "/shop"
    transport: Any = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=WRITES) as client:
        page = await client.get(f"{before}/admin/queues/queues/{queue.name}")
        assert page.status_code == 200 and '"base": "/shop/admin/queues"' in page.text
        assert 'href="/shop/admin/queues/static/' in page.text
        assert (await client.get(f"{before}/admin/queues/static/plain.css")).status_code == 200
        api = f"{before}/admin/queues/api/v1"
        assert (await client.get(f"{api}/queues/{queue.name}")).json()["counts"]["waiting"] == 1
        assert (await client.post(f"{api}/queues/{queue.name}/add", json={"name": "x"})).json()["done"] == 1
    await dashboard.close()


def test_uvicorn_with_a_root_path_behind_a_proxy_that_takes_it_away(redis_server: RedisServer, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "from fastapi import FastAPI\nfrom oxcart.dashboard import Dashboard\n"
        "app = FastAPI()\napp.mount('/admin/queues', Dashboard())\n"
    )
    with (
        SyncQueue("a/b", connection=redis_server.url) as slashed,
        served(tmp_path, redis_server.url, "main:app", "--root-path", "/shop") as client,
    ):
        slashed.add("x")
        assert '"base": "/shop/admin/queues"' in client.get("/admin/queues/").text
        assert client.get("/admin/queues/api/v1/queues/a%2Fb").json()["name"] == "a/b"
        slashed.pause()
        slashed.obliterate()
