-- Sets how many jobs of the queue may be active at once, all workers together; 0 removes the limit.
--
-- keys: wait active prioritized marker meta
-- args: limit
-- returns: nothing
-- include: read_meta, remains, wake
if limit == "0" then
  redis.call("HDEL", keys.meta, "concurrency")
else
  redis.call("HSET", keys.meta, "concurrency", limit)
end
-- More may be allowed than before: idle workers would see it seconds later by themselves.
if remains(keys) > 0 then
  wake(keys, read_meta(keys))
end
