-- Puts a job into `delayed` and says so. Jobs due in the same millisecond keep their order.
--
-- The score is due·4096 + n, a whole number of 53 bits: it must never pass through a float's short notation.
--
-- include: emit
local function put_delayed(keys, id, due)
  local first = due * 4096
  local last = string.format("%.0f", first + 4095)
  local lowest = string.format("%.0f", first)
  local found = redis.call("ZREVRANGEBYSCORE", keys.delayed, last, lowest, "WITHSCORES", "LIMIT", 0, 1)
  local score = lowest
  if found[2] then
    score = string.format("%.0f", math.min(tonumber(found[2]) + 1, first + 4095))
  end
  redis.call("ZADD", keys.delayed, score, id)
  emit(keys, "delayed", "jobId", id, "delay", string.format("%.0f", due))
end
