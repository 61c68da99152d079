-- Takes a job out of the state that holds it; answers that state's key, or "unknown".
local function leave_state(queue, id)
  for _, state in ipairs({ "completed", "waiting-children", "delayed", "failed", "prioritized" }) do
    if redis.call("ZREM", queue .. state, id) == 1 then
      return state
    end
  end
  for _, state in ipairs({ "wait", "paused", "active" }) do
    if redis.call("LREM", queue .. state, 0, id) > 0 then
      return state
    end
  end
  return "unknown"
end
