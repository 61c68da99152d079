"""What can be set from outside: each field is an environment variable of the same name in capitals."""

from __future__ import annotations

from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The settings of the web application and of its workers, from the environment or from a file `.env` here.

    Example: `SMTP_HOST=smtp.example.com` sets `Settings().smtp_host`.
    """

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    redis_url: str = "redis://localhost:6379/0"
    """Any URL that Oxcart takes; `embedded:` starts a server of your own, for development."""
    database_url: str = "sqlite:///taskmanager.db"
    """Any SQLAlchemy URL. Where it names no driver, an async one is chosen."""
    smtp_host: str = "localhost"
    smtp_port: int = 587
    """465 means TLS from the start; on other ports the connection is upgraded if the server offers it."""
    smtp_user: str = ""
    """Without it, nobody logs in to the mail server."""
    smtp_pass: SecretStr = SecretStr("")
    environment: Literal["development", "production"] = "development"
    dashboard_auth: SecretStr = SecretStr("")
    """Who may see the dashboard of the queues, as USER:PASS. Without it, in development this machine may, in production
    nobody."""
    frontend_url: str = "http://localhost:3000"
    """Where links in mails lead to."""
