-- Whether nothing may be taken now: paused, or as many active as the queue may have.
local function closed(keys, meta)
  return meta.paused or (meta.concurrency and redis.call("LLEN", keys.active) >= meta.concurrency)
end
