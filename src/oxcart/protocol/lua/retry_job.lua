-- Lets a finished job run again, failed or completed. `resets`: fields to forget, such as `atm`, the attempts made.
--
-- keys: wait active prioritized pc completed failed marker meta events
-- args: prefix id lifo *resets
-- returns: 0, or -1 no such job, -3 not finished
-- include: is_job, read_meta, start_over, enqueue, emit, wake
local key = prefix .. id
if not is_job(key) then
  return -1
end
local state = redis.call("ZREM", keys.failed, id) == 1 and "failed"
  or redis.call("ZREM", keys.completed, id) == 1 and "completed"
if not state then
  return -3
end
pcall(start_over, key, state) -- what is wrong with its parent must not keep it
if #ARGV >= resets_at then
  redis.call("HDEL", key, unpack(ARGV, resets_at))
end
enqueue(keys, id, tonumber(redis.call("HGET", key, "priority")) or 0, lifo == "1")
emit(keys, "waiting", "jobId", id, "prev", state)
local meta = read_meta(keys)
redis.call("XTRIM", keys.events, "MAXLEN", "~", meta.max_len)
wake(keys, meta)
return 0
