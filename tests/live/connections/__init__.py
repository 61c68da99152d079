"""Servers with TLS, users with few rights, forks and threads: what connections have to bear."""
