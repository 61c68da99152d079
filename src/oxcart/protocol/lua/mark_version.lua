-- Notes that a worker of a queue runs another version than the one before it, as a mark in time for all queues.
--
-- Many workers start with one deploy, and old ones may start once more meanwhile: a version is marked once in `again_ms`.
--
-- keys: marks versions
-- args: now queue version text again_ms most keep
-- returns: 1 if there is a new mark, else 0
if redis.call("HGET", keys.versions, queue) == version then
  return 0
end
redis.call("HSET", keys.versions, queue, version)
redis.call("PEXPIRE", keys.versions, keep)
local recent = redis.call("ZRANGEBYSCORE", keys.marks, string.format("%.0f", now - again_ms), "+inf")
for _, mark in ipairs(recent) do
  if string.match(mark, "^%d+:(.*)$") == text then
    return 0
  end
end
redis.call("ZADD", keys.marks, now, now .. ":" .. text)
redis.call("ZREMRANGEBYRANK", keys.marks, 0, -1 - most)
redis.call("PEXPIRE", keys.marks, keep)
return 1
