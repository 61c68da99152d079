"""`oxcart bench`: how fast a queue is here, beside BullMQ for Node where Node is there."""
