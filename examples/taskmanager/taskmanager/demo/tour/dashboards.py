"""The rule of the dashboard: for admins, and in production for nobody unless it is asked for."""

from __future__ import annotations

import httpx

from ...app import create_app
from ...logins import COOKIE
from ...make_admin import make_admin
from ..stage import Stage
from .look import ensure

PATH = "/admin/queues/"
BOARD = "/admin/queues/api/v1/overview"


async def admins_only(stage: Stage) -> str:
    """The same user is refused, and let in once they are an admin."""
    async with stage.visitor() as nobody, stage.visitor("Boss Babbage", "boss@example.com") as boss:
        stranger, page = await status(nobody.http, BOARD), await status(nobody.http, PATH)
        user = await status(boss.http, BOARD)
        await make_admin(stage.database, "boss@example.com")
        admin, shown = await status(boss.http, BOARD), await boss.http.get(PATH)
        cookie = boss.http.cookies[COOKIE]
    ensure(stranger in (401, 403), f"somebody who hasn't logged in is answered with {stranger}")
    ensure(page in (303, 401, 403), f"somebody who hasn't logged in is answered with {page}")
    ensure(user in (401, 403), f"a user who is no admin is answered with {user}")
    ensure(admin == 200 and "Task Manager" in shown.text, f"an admin is answered with {admin}")
    off = await in_production(stage, cookie, None)
    on = await in_production(stage, cookie, True)
    ensure(off == 404, f"in production an admin is answered with {off}")
    ensure(on == 200, f"in production with DASHBOARD=true an admin is answered with {on}")
    return (
        f"without log-in {stranger}, user {user}, admin {admin}; in production: admin {off}, and {on} if DASHBOARD=true"
    )


async def in_production(stage: Stage, cookie: str, dashboard: bool | None) -> int:
    """What an admin is answered there: the application with these settings, in this process."""
    app = create_app(stage.settings.model_copy(update={"environment": "production", "dashboard": dashboard}))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=stage.url, cookies={COOKIE: cookie}) as admin,
    ):
        return await status(admin, BOARD)


async def status(client: httpx.AsyncClient, path: str) -> int:
    return (await client.get(path)).status_code
