"""The same operations done by Node and by Oxcart, each on queues of its own: all that is in Redis must be the same."""
