"""Workers: they take jobs, run a processor for each, and settle what became of it."""
