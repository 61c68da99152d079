-- Pauses the queue for all workers: nothing is taken any more; what runs goes on.
--
-- keys: meta marker events
-- args:
-- returns: nothing
-- include: emit
redis.call("HSET", keys.meta, "paused", 1)
redis.call("DEL", keys.marker)
emit(keys, "paused")
