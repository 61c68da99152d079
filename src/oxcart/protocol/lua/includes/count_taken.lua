-- Counts taken jobs against the rate limit; the first of a window starts it.
local function count_taken(keys, meta, taken, limit_max, limit_ms)
  if taken == 0 or not (meta.max or limit_max) then
    return
  end
  local duration = limit_ms or meta.duration
  if redis.call("INCRBY", keys.limiter, taken) == taken and duration then
    redis.call("PEXPIRE", keys.limiter, string.format("%.0f", duration))
  end
end
