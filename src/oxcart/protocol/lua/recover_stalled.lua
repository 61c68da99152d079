-- Gives jobs back whose worker is gone: in `active` at the last check already, and without a lock now.
--
-- One check an interval for all workers of the queue. A job that stalled too often is not failed here: it gets `defa`,
-- and the worker that takes it next fails it without running it. The run that a scheduler is at is never failed so.
--
-- keys: wait active stalled stalled_check marker meta events
-- args: prefix now interval_ms max_stalled
-- returns: the ids given back
-- include: read_meta, emit, wake, in_slices, scheduler_waits_for
if not redis.call("SET", keys.stalled_check, now, "NX", "PX", interval_ms) then
  return {}
end
local meta = read_meta(keys)
redis.call("XTRIM", keys.events, "MAXLEN", "~", meta.max_len)
local recovered = {}
local suspects = redis.call("SMEMBERS", keys.stalled)
redis.call("DEL", keys.stalled)
for _, id in ipairs(suspects) do
  local key = prefix .. id
  if redis.call("EXISTS", key .. ":lock") == 0 and redis.call("LREM", keys.active, 1, id) > 0 then
    -- A missing hash must not come to life with one field.
    local stalls = redis.call("EXISTS", key) == 1 and redis.pcall("HINCRBY", key, "stc", 1)
    if type(stalls) == "number" and stalls > tonumber(max_stalled) and not scheduler_waits_for(prefix, id) then
      redis.call("HSET", key, "defa", "job stalled more than allowable limit")
    end
    redis.call("RPUSH", keys.wait, id)
    emit(keys, "waiting", "jobId", id, "prev", "active")
    emit(keys, "stalled", "jobId", id)
    recovered[#recovered + 1] = id
  end
end
if #recovered > 0 then
  wake(keys, meta)
end
in_slices("SADD", keys.stalled, redis.call("LRANGE", keys.active, 0, -1))
return recovered
