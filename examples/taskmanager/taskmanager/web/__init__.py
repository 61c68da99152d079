"""The web application: each route does its part in the database, commits, and hands the rest to a queue."""
