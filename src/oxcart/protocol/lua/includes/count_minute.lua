-- Counts a finished job for the metrics: how many there were in each minute, newest first, at most `points` minutes.
--
-- A minute is written down by the first job of a later one.
--
-- include: in_slices
local function count_minute(prefix, kind, now, points)
  local key = prefix .. "metrics:" .. kind
  local before = redis.call("HINCRBY", key, "count", 1) - 1
  local found = redis.call("HMGET", key, "prevTS", "prevCount")
  if not found[1] then
    redis.call("HSET", key, "prevTS", string.format("%.0f", now), "prevCount", 0)
    return
  end
  local passed = math.min(math.floor(now / 60000) - math.floor((tonumber(found[1]) or 0) / 60000), points)
  if passed <= 0 then
    return
  end
  local fresh = { before - (tonumber(found[2]) or 0) }
  for at = 2, passed do
    fresh[at] = 0
  end
  in_slices("LPUSH", key .. ":data", fresh)
  redis.call("LTRIM", key .. ":data", 0, points - 1)
  redis.call("HSET", key, "prevCount", before, "prevTS", string.format("%.0f", now))
end
