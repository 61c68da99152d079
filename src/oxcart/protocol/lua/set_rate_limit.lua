-- Sets how many jobs of the queue may be taken in how many milliseconds, all workers together; 0 removes the limit.
--
-- keys: wait active prioritized marker meta
-- args: max duration_ms
-- returns: nothing
-- include: read_meta, remains, wake
if max == "0" then
  redis.call("HDEL", keys.meta, "max", "duration")
else
  redis.call("HSET", keys.meta, "max", max, "duration", duration_ms)
end
if remains(keys) > 0 then
  wake(keys, read_meta(keys))
end
