"""What the database holds: people, what they have to do, and what belongs to it."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from typing import Literal, get_args

from sqlalchemy import DateTime, Dialect, Enum, ForeignKey, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

TaskState = Literal["open", "doing", "done"]
"""How far a task is."""

GENERAL = "general"
"""The id of the project that tasks belong to if nobody says another one; it is always there."""


def _new_id() -> str:
    return str(uuid.uuid4())


def _now() -> datetime:
    return datetime.now(UTC)


class Moment(TypeDecorator[datetime]):
    """A point in time, by UTC. SQLite stores no time zone, so it is put back here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """The root of all tables."""


class User(Base):
    """Somebody who has registered."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=_new_id)
    name: Mapped[str] = mapped_column(String(100))
    email: Mapped[str] = mapped_column(String(254), unique=True)
    """In lower case, so that one mailbox can't register twice."""
    password_hash: Mapped[str] = mapped_column(String(200))
    wants_digest: Mapped[bool] = mapped_column(default=True)
    is_admin: Mapped[bool] = mapped_column(default=False)
    """Whether they may see the dashboard of the queues."""
    created_at: Mapped[datetime] = mapped_column(Moment, default=_now)


class Login(Base):
    """A browser in which somebody has logged in."""

    __tablename__ = "logins"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """The hash of what the cookie says: whoever reads this table can't log in with it."""
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime] = mapped_column(Moment)


class Try(Base):
    """Somebody has tried to log in, and not given the right password since."""

    __tablename__ = "tries"

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(String(64), index=True)
    """The hash of the address that was given, whether anybody has it or not."""
    made_at: Mapped[datetime] = mapped_column(Moment, index=True)


class Project(Base):
    """What tasks belong to, and what a report is divided by."""

    __tablename__ = "projects"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=_new_id)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    created_at: Mapped[datetime] = mapped_column(Moment, default=_now)


class Task(Base):
    """Something to do, by the user that it is assigned to."""

    __tablename__ = "tasks"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=_new_id)
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[TaskState] = mapped_column(
        Enum(*get_args(TaskState), name="task_state", native_enum=False), default="open"
    )
    due_on: Mapped[date | None]
    """The last day on which it is not overdue, by UTC."""
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), default=GENERAL, index=True)
    assignee_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(Moment, default=_now)

    project: Mapped[Project] = relationship()
    assignee: Mapped[User | None] = relationship()

    @property
    def done(self) -> bool:
        return self.state == "done"

    @property
    def overdue(self) -> bool:
        return not self.done and self.due_on is not None and self.due_on < _now().date()


class Comment(Base):
    """What somebody has said about a task."""

    __tablename__ = "comments"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=_new_id)
    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), index=True)
    author_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment, default=_now)

    author: Mapped[User] = relationship()


class Attachment(Base):
    """A picture of a task. Its file lies in the data folder, under the id."""

    __tablename__ = "attachments"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=_new_id)
    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), index=True)
    author_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(200))
    """As the file was called where it came from: shown, and never used as a path."""
    media_type: Mapped[str] = mapped_column(String(20))
    """What the picture is, not what its sender said that it was."""
    width: Mapped[int]
    height: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(Moment, default=_now)


class PushSubscription(Base):
    """A browser that wants notifications: where its vendor takes them, and the keys to encrypt them with."""

    __tablename__ = "push_subscriptions"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=_new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    endpoint: Mapped[str] = mapped_column(String(1000), unique=True)
    p256dh: Mapped[str] = mapped_column(String(100))
    auth: Mapped[str] = mapped_column(String(50))
    created_at: Mapped[datetime] = mapped_column(Moment, default=_now)


class Report(Base):
    """A report that somebody has asked for. Its file lies in the data folder, under the id, once it is made."""

    __tablename__ = "reports"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=_new_id)
    owner_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(Moment, default=_now)
