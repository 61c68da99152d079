"""The async shell: where I/O happens."""
