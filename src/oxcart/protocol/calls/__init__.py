"""What can be asked of a queue, by subject. Each function builds a `Call` and does nothing else."""
