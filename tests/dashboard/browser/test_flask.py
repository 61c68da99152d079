"""Below Flask there is no live stream: the page knows it, and asks by itself."""

from __future__ import annotations

import asyncio
import secrets

import flask
from playwright.async_api import Browser, expect
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server

from oxcart import Connection, Queue
from oxcart.dashboard import Dashboard
from tests.conftest import RedisServer
from tests.dashboard.browser.conftest import looking
from tests.dashboard.test_wsgi import Quiet

MOUNT = "/admin/queues"


async def test_below_flask_the_page_asks_every_few_seconds_and_for_no_stream(
    browser: Browser, redis_server: RedisServer
) -> None:
    prefix = f"p{secrets.token_hex(4)}"
    bridge = Dashboard(connection=redis_server.url, prefix=prefix).wsgi()
    app = flask.Flask("shop")
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {MOUNT: bridge})  # type: ignore[method-assign]
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    serving = asyncio.create_task(asyncio.to_thread(server.serve_forever))
    try:
        async with (
            Connection(redis_server.url) as connection,
            looking(browser, f"http://127.0.0.1:{server.server_port}{MOUNT}") as site,
        ):
            queue = Queue("email", connection=connection, prefix=prefix)
            await queue.add("welcome", {"to": "ada"})
            tab = await site.open("/queues/email?state=waiting")
            await expect(tab.page.get_by_text("Asking every 5 s")).to_be_visible()
            await queue.add("receipt", {"to": "grace"})
            await expect(tab.page.get_by_text("receipt").first).to_be_visible()
            assert not [one.url for one in tab.requests if "/live" in one.url]
            await tab.fine()
    finally:
        server.shutdown()
        await serving
        server.server_close()
        bridge.close()
