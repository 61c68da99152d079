-- Where a job is: the first key that holds it.
local function state_of(keys, id)
  for _, set in ipairs({ "completed", "failed", "delayed", "prioritized" }) do
    if redis.call("ZSCORE", keys[set], id) then
      return set
    end
  end
  if redis.call("LPOS", keys.active, id) then
    return "active"
  end
  if redis.call("LPOS", keys.wait, id) or redis.call("LPOS", keys.paused, id) then
    return "waiting"
  end
  if redis.call("ZSCORE", keys.waiting_children, id) then
    return "waiting-children"
  end
  return "unknown"
end
