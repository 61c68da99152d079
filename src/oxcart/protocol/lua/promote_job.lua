-- Lets a delayed job run now.
--
-- keys: wait active prioritized pc delayed marker meta events
-- args: prefix id
-- returns: 0, or -1 no such job, -3 not delayed
-- include: is_job, read_meta, enqueue, emit, wake
local key = prefix .. id
if not is_job(key) then
  return -1
end
if redis.call("ZREM", keys.delayed, id) == 0 then
  return -3
end
enqueue(keys, id, tonumber(redis.call("HGET", key, "priority")) or 0)
redis.call("HSET", key, "delay", 0)
emit(keys, "waiting", "jobId", id, "prev", "delayed")
wake(keys, read_meta(keys))
return 0
