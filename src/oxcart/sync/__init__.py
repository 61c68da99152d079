"""The blocking shell. `connection.py` and `job.py` are generated from `aio/` by `tools/unasync.py`."""
