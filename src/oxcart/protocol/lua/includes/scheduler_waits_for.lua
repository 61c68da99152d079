-- Whether a job is the one that a scheduler waits for: without it the series would end.
local function scheduler_waits_for(prefix, id)
  local scheduler = redis.pcall("HGET", prefix .. id, "rjk")
  if type(scheduler) ~= "string" then
    return false
  end
  local slot = redis.call("ZSCORE", prefix .. "repeat", scheduler)
  return slot and id == string.format("repeat:%s:%.0f", scheduler, tonumber(slot))
end
