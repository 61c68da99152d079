-- Reads what workers counted: how many jobs ended so, and how many in each past minute, newest first.
--
-- keys:
-- args: prefix kind start stop
-- returns: {count, time of the last point, count at that time, points, how many points there are}
local key = prefix .. "metrics:" .. kind
local found = redis.call("HMGET", key, "count", "prevTS", "prevCount")
return {
  found[1] or "0", found[2] or "0", found[3] or "0",
  redis.call("LRANGE", key .. ":data", start, stop), redis.call("LLEN", key .. ":data"),
}
