-- How many of `count` jobs may be taken now, by pause, global concurrency and rate limit.
--
-- Answers the number, and for a rate limit that is used up how many milliseconds it lasts.
local function allowance(keys, meta, count, limit_max)
  if meta.paused then
    return 0, 0
  end
  local max = meta.max or limit_max
  local used = tonumber(redis.call("GET", keys.limiter)) or 0
  -- A limit set by hand holds for a queue without any other as well.
  max = max and math.floor(max) or used == 9007199254740991 and used
  if max then
    if used >= max then
      local left = redis.call("PTTL", keys.limiter)
      if left > 0 then
        return 0, left
      end
      -- At its end; or it has none, and would count for ever what nobody is limited by: the next take begins anew.
      redis.call("DEL", keys.limiter)
      used = 0
    end
    count = math.min(count, max - used)
  end
  if meta.concurrency then
    count = math.min(count, math.max(math.floor(meta.concurrency) - redis.call("LLEN", keys.active), 0))
  end
  return count, 0
end
