"""The routes: each one does its part in the database, commits, and hands the rest to a queue."""
