"""Fixtures of this folder."""

from .test_connections import admin, server

__all__ = ["admin", "server"]
