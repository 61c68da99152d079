-- Reads what the queue's settings say about taking: is it paused, at its limit, and how long is the stream.
--
-- `paused` counts by its existence, whatever its value. A stream length that is missing is written, as Node does.
local function read_meta(keys)
  local found = redis.call("HMGET", keys.meta, "paused", "concurrency", "max", "duration", "opts.maxLenEvents")
  local max_len = tonumber(found[5])
  if not max_len then
    max_len = 10000
    redis.call("HSET", keys.meta, "opts.maxLenEvents", max_len)
  end
  return {
    paused = found[1] and true or false,
    concurrency = tonumber(found[2]),
    max = tonumber(found[3]),
    duration = tonumber(found[4]),
    max_len = max_len,
  }
end
