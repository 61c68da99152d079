-- When the first delayed job is due, in milliseconds since 1970; nil if there is none.
local function next_due(keys)
  local first = redis.call("ZRANGE", keys.delayed, 0, 0, "WITHSCORES")
  if first[2] then
    return math.floor(tonumber(first[2]) / 4096)
  end
end
