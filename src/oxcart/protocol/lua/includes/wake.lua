-- Wakes one idle worker, unless the queue gives nothing away now.
--
-- include: closed
local function wake(keys, meta)
  if not closed(keys, meta) then
    redis.call("ZADD", keys.marker, 0, "0")
  end
end
