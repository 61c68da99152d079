-- Gives a job another priority. One that waits is put where that belongs; with `lifo` before its equals.
--
-- keys: wait paused active prioritized pc marker meta
-- args: prefix id priority lifo
-- returns: 0, or -1 no such job
-- include: is_job, read_meta, enqueue, wake
if not is_job(prefix .. id) then
  return -1
end
local rank = tonumber(priority)
local waits = redis.call("ZREM", keys.prioritized, id) == 1 or redis.call("LREM", keys.wait, -1, id) > 0
if waits or redis.call("LREM", keys.paused, -1, id) > 0 then
  if rank > 0 and lifo == "1" then
    redis.call("ZADD", keys.prioritized, string.format("%.0f", rank * 4294967296), id)
  else
    enqueue(keys, id, rank, lifo == "1")
  end
  wake(keys, read_meta(keys))
end
redis.call("HSET", prefix .. id, "priority", priority)
return 0
