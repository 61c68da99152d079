"""BullMQ's protocol as values: names, encodings, scripts and replies. No I/O, no waiting, no clock."""
