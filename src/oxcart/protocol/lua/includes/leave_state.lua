-- Takes a job out of the state that holds it; answers that state's key, or "unknown", and how many ids were looked at.
local function leave_state(queue, id)
  for _, state in ipairs({ "completed", "waiting-children", "delayed", "failed", "prioritized" }) do
    if redis.call("ZREM", queue .. state, id) == 1 then
      return state, 0
    end
  end
  local looked = 0
  for _, state in ipairs({ "wait", "paused", "active" }) do
    looked = looked + redis.call("LLEN", queue .. state)
    if redis.call("LREM", queue .. state, 1, id) > 0 then
      return state, looked
    end
  end
  return "unknown", looked
end
