-- Moves delayed jobs whose time has come to where workers take from; at most 1,000 a call.
--
-- They are always put at the back, also if they were added as LIFO.
--
-- include: enqueue, emit, wake
local function promote_due(keys, prefix, now, meta)
  local latest = string.format("%.0f", (now + 1) * 4096 - 1)
  local ids = redis.call("ZRANGEBYSCORE", keys.delayed, "-inf", latest, "LIMIT", 0, 1000)
  if #ids == 0 then
    return
  end
  redis.call("ZREM", keys.delayed, unpack(ids))
  for _, id in ipairs(ids) do
    local priority = redis.pcall("HGET", prefix .. id, "priority")
    local known = type(priority) == "string"
    enqueue(keys, id, known and tonumber(priority) or 0)
    emit(keys, "waiting", "jobId", id, "prev", "delayed")
    -- A missing hash must not come to life with one field.
    if known or redis.call("EXISTS", prefix .. id) == 1 then
      redis.pcall("HSET", prefix .. id, "delay", 0)
    end
  end
  wake(keys, meta)
end
