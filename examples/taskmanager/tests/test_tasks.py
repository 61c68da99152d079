"""The pages of tasks: adding, assigning, moving, commenting."""

from __future__ import annotations

import httpx
from conftest import Register
from oxcart import Queue
from pages import Visitor

from taskmanager.queues import Queues


async def names(queue: Queue | None) -> list[str]:
    """What waits in a queue, the next first."""
    assert queue is not None
    return [job.name for job in await queue.jobs("waiting", "prioritized", ascending=True)]


async def test_a_task_may_be_somebodys_from_the_start(
    api: httpx.AsyncClient, register: Register, queues: Queues
) -> None:
    ada = await register()
    page = await Visitor(api).new_task("Write <it> down", assigneeId=ada["id"], dueOn="2020-02-29")

    shown = await Visitor(api).page(page)
    assert "Write &lt;it&gt; down" in shown and "29 February" in shown and "overdue" in shown
    assert await names(queues.email) == ["welcome", "task-assigned"]
    assert await names(queues.named("notifications")) == ["task-assigned"]


async def test_a_task_for_nobody_that_there_is_is_not_added(api: httpx.AsyncClient, register: Register) -> None:
    await register()
    visitor = Visitor(api)
    await visitor.send("/tasks/new", title="Write it down", assigneeId="none", status=404)
    assert "Write it down" not in await visitor.page("/tasks")


async def test_who_has_a_task_already_is_told_nothing(
    api: httpx.AsyncClient, register: Register, queues: Queues
) -> None:
    ada = await register()
    task = (await api.post("/tasks", json={"title": "Write it down"})).json()["id"]
    answers = [(await api.post(f"/tasks/{task}/assign", json={"assigneeId": ada["id"]})).json() for _ in range(3)]

    assert [answer["job"] is None for answer in answers] == [False, True, True]
    assert [answer["assigneeId"] for answer in answers] == [ada["id"]] * 3
    assert await names(queues.email) == ["welcome", "task-assigned"]


async def test_the_welcome_goes_before_a_mail_about_a_task_that_was_there_first(
    api: httpx.AsyncClient, register: Register, queues: Queues
) -> None:
    ada = await register()
    await Visitor(api).new_task(assigneeId=ada["id"])
    await register(email="grace@example.com")

    # Without a priority of its own, the mail about the task would go before both.
    assert await names(queues.email) == ["welcome", "welcome", "task-assigned"]


async def test_the_board_shows_tasks_by_state_and_the_list_what_is_due_first(
    api: httpx.AsyncClient, register: Register
) -> None:
    await register()
    visitor = Visitor(api)
    first = await visitor.new_task("Later", dueOn="2099-01-02")
    await visitor.new_task("Sooner", dueOn="2099-01-01")
    await visitor.send(f"{first}/state", state="done")

    board = await visitor.page("/tasks")
    assert board.index('id="column-open"') < board.index("Sooner") < board.index('id="column-done"')
    assert board.index('id="column-done"') < board.index("Later")
    shown = await visitor.page("/tasks?view=list")
    assert shown.index("Sooner") < shown.index("Later")


async def test_tasks_can_be_narrowed_to_a_project_and_to_ones_own(api: httpx.AsyncClient, register: Register) -> None:
    ada = await register()
    visitor = Visitor(api)
    project = (await visitor.send("/projects/new", name="Website")).partition("=")[2]
    await visitor.new_task("In the project", projectId=project)
    await visitor.new_task("Mine", assigneeId=ada["id"])

    only_project = await visitor.page(f"/tasks?project={project}")
    only_mine = await visitor.page("/tasks?mine=true")
    assert "In the project" in only_project and ">Mine<" not in only_project
    assert "In the project" not in only_mine and ">Mine<" in only_mine
    assert "There is a project of this name" in await visitor.send("/projects/new", name="Website", status=409)


async def test_a_task_can_be_changed_and_given_away_and_taken_back(
    api: httpx.AsyncClient, register: Register, queues: Queues
) -> None:
    ada, grace = await register(name="Ada"), await register(name="Grace Hopper", email="grace@example.com")
    visitor = Visitor(api)
    page = await visitor.new_task(assigneeId=ada["id"])
    await visitor.send(f"{page}/edit", title="Changed", description="All of it", state="doing", dueOn="")
    await visitor.send(f"{page}/assignee", assignee=grace["id"])
    await visitor.send(f"{page}/assignee", assignee=grace["id"])  # who has it already is told nothing
    shown = await visitor.page(page)
    assert all(text in shown for text in ("Changed", "All of it", "doing", "Grace Hopper"))
    await visitor.send(f"{page}/assignee", assignee="")

    assert "Nobody yet" in await visitor.page(page)
    assert await names(queues.email) == ["welcome", "welcome", "task-assigned", "task-assigned"]


async def test_a_comment_is_shown_and_who_has_the_task_is_notified(
    api: httpx.AsyncClient, register: Register, queues: Queues
) -> None:
    ada = await register()
    visitor = Visitor(api)
    page = await visitor.new_task()
    await visitor.send(f"{page}/comments", text="By myself")
    await register(name="Grace Hopper", email="grace@example.com")
    await visitor.send(f"{page}/assignee", assignee=ada["id"])
    await queues.named("notifications").drain()  # pyright: ignore[reportOptionalMemberAccess]
    other = await visitor.new_task(assigneeId=ada["id"])
    await queues.named("notifications").drain()  # pyright: ignore[reportOptionalMemberAccess]
    await visitor.send(f"{other}/comments", text="<b>Well</b>\ndone")

    shown = await visitor.page(other)
    assert "&lt;b&gt;Well&lt;/b&gt;" in shown and "Grace Hopper" in shown
    assert await names(queues.named("notifications")) == ["task-commented"]


async def test_what_is_not_there_is_a_page_that_says_so(api: httpx.AsyncClient, register: Register) -> None:
    await register()
    visitor = Visitor(api)
    assert "There is no such task" in await visitor.page("/tasks/none", 404)
    assert "There is no such report" in await visitor.page("/reports/none", 404)
    assert "Not Found" in await visitor.page("/nowhere", 404)
    page = await visitor.new_task()
    assert "There is no such user" in await visitor.send(f"{page}/assignee", assignee="none", status=404)
    assert "can&#39;t be right" in await visitor.send("/tasks/new", title=" ", status=422)
    assert "can&#39;t be right" in await visitor.send(f"{page}/state", state="lost", status=422)


async def test_the_digest_can_be_switched_off(api: httpx.AsyncClient, register: Register) -> None:
    await register()
    visitor = Visitor(api)
    assert 'name="digest" value="true" checked' in await visitor.page("/me")
    await visitor.send("/me")
    assert 'name="digest" value="true" checked' not in await visitor.page("/me")
