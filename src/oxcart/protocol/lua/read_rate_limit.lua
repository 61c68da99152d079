-- How many milliseconds the queue gives nothing away for its rate limit; 0 if it does.
--
-- keys: meta limiter
-- args: max
-- returns: milliseconds
local most = tonumber(max) or tonumber(redis.call("HGET", keys.meta, "max"))
if most and (tonumber(redis.call("GET", keys.limiter)) or 0) < most then
  return 0
end
return math.max(redis.call("PTTL", keys.limiter), 0)
