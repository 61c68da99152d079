-- Counts the jobs of each state, and tells whether the queue is paused.
--
-- keys: wait paused active delayed prioritized completed failed waiting_children meta
-- returns: {waiting, active, delayed, prioritized, completed, failed, waiting-children, paused or not}
-- include:
return {
  redis.call("LLEN", keys.wait) + redis.call("LLEN", keys.paused),
  redis.call("LLEN", keys.active),
  redis.call("ZCARD", keys.delayed),
  redis.call("ZCARD", keys.prioritized),
  redis.call("ZCARD", keys.completed),
  redis.call("ZCARD", keys.failed),
  redis.call("ZCARD", keys.waiting_children),
  redis.call("HEXISTS", keys.meta, "paused"),
}
