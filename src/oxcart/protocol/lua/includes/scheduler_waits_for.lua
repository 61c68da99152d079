-- Whether a job is the one that a scheduler waits for: without it the series would end.
--
-- include: run_id
local function scheduler_waits_for(prefix, id)
  local scheduler = redis.pcall("HGET", prefix .. id, "rjk")
  if type(scheduler) ~= "string" then
    return false
  end
  local slot = redis.call("ZSCORE", prefix .. "repeat", scheduler)
  return slot and id == run_id(scheduler, tonumber(slot))
end
