-- Fails an id that can't be run: its hash is missing, or its key is of another type and is moved aside.
--
-- The job is made visible among the failed ones, with the reason, in a form that every reader understands.
--
-- include: emit
local function quarantine(keys, prefix, own, id, now)
  local key = prefix .. id
  for _, own_key in pairs(keys) do
    if key == own_key then
      return "the id is the name of a key of the queue itself: it was dropped"
    end
  end
  local kind = redis.call("TYPE", key)["ok"]
  local reason = "the job's hash is missing: it was deleted or evicted while the job waited"
  if kind ~= "none" then
    redis.call("RENAME", key, own .. "quarantine:" .. id)
    reason = "the job's key was of type " .. kind .. ": moved to " .. own .. "quarantine:" .. id
  end
  local time = string.format("%.0f", now)
  redis.call(
    "HSET", key, "name", "", "data", "{}", "opts", "{}", "timestamp", time, "delay", 0, "priority", 0,
    "failedReason", reason, "finishedOn", time
  )
  redis.call("ZADD", keys.failed, time, id)
  emit(keys, "failed", "jobId", id, "failedReason", reason, "prev", "active")
  return reason
end
