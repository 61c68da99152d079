-- Forgets how a finished job ended, for its parent too, which waits for it again.
--
-- The steps of a completed job begin anew; those of a failed one go on where they were.
local function start_over(key, state)
  redis.call("HDEL", key, "finishedOn", "processedOn", state == "failed" and "failedReason" or "returnvalue")
  if state == "completed" then
    for _, field in ipairs(redis.call("HKEYS", key)) do
      if string.sub(field, 1, 8) == "ox:step:" then
        redis.call("HDEL", key, field)
      end
    end
  end
  local parent_key = redis.call("HGET", key, "parentKey")
  if not parent_key or redis.call("EXISTS", parent_key) == 0 then
    return
  end
  local known
  if state == "completed" then
    known = redis.call("HDEL", parent_key .. ":processed", key) == 1
  else
    known = redis.call("ZREM", parent_key .. ":unsuccessful", key) == 1
      or redis.call("HDEL", parent_key .. ":failed", key) == 1
  end
  if known then
    redis.call("SADD", parent_key .. ":dependencies", key)
  end
end
