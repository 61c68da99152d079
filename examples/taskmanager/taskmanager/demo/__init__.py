"""The demonstration: all parts as processes of their own, and what happens to each job, live."""


class Unexpected(Exception):
    """The demo did not go as it should; the text is one line that says why."""
