-- How many jobs could be taken if the queue were open.
local function remains(keys)
  return redis.call("LLEN", keys.wait) + redis.call("ZCARD", keys.prioritized)
end
