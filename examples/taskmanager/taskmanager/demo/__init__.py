"""The demonstration: all parts as processes of their own, and what happens to each job, live."""
