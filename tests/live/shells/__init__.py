"""What both shells do: `tests/sync` is made from these files by `tools/unasync.py`, for the blocking one."""
