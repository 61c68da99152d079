"""What can be set from outside: each field is an environment variable of the same name in capitals."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The settings of the web application and of its workers, from the environment or from a file `.env` here.

    Example: `SMTP_HOST=smtp.example.com` sets `Settings().smtp_host`. `.env.example` has them all.
    """

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    environment: Literal["development", "production"] = "development"

    # ------------------------------------------------------------------------------ where things are kept
    redis_url: str = "redis://localhost:6379/0"
    """Any URL that Oxcart takes; `embedded:` starts a server of your own, for development."""
    database_url: str = "sqlite:///taskmanager.db"
    """SQLite or PostgreSQL, as a SQLAlchemy URL. Where it names no driver, an async one is chosen."""
    data_dir: Path = Path("data")
    """The folder for pictures and reports. The web application and the workers need the same one."""

    # ------------------------------------------------------------------------------------------ web pages
    frontend_url: str = "http://localhost:8000"
    """Where this application is, for browsers: where links in mails lead to."""
    dashboard: bool | None = None
    """Whether admins have the dashboard of the queues; if not said, in development only."""
    max_upload_bytes: int = 10_000_000
    """How large a picture may be."""

    # ---------------------------------------------------------------------------------------------- mails
    smtp_host: str = "localhost"
    smtp_port: int = 587
    """465 means TLS from the start; on other ports the connection is upgraded if the server offers it."""
    smtp_user: str = ""
    """Without it, nobody logs in to the mail server."""
    smtp_pass: SecretStr = SecretStr("")

    # -------------------------------------------------------------------------------------- notifications
    vapid_private_key: SecretStr = SecretStr("")
    """`python -m taskmanager.vapid` makes one. Without it, in development one is made, in production nobody is notified
    in the browser."""
    vapid_contact: str = "mailto:admin@taskmanager.io"
    """Whom the vendors of browsers may write to if something is wrong with our notifications."""
    push_hosts: str = "fcm.googleapis.com *.push.services.mozilla.com *.push.apple.com *.notify.windows.com"
    """Where notifications may be sent to. Browsers say where: without this list anybody could have us call anything."""

    # --------------------------------------------------------------------------------------------- alerts
    alert_webhook: SecretStr = SecretStr("")
    """A URL that gets a POST for each job that has failed for good. That is logged in any case, and the URL never:
    whoever knows it can post there."""

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @property
    def shows_dashboard(self) -> bool:
        return not self.production if self.dashboard is None else self.dashboard

    @property
    def over_tls(self) -> bool:
        """Whether browsers reach us by https only."""
        return self.frontend_url.startswith("https:")
