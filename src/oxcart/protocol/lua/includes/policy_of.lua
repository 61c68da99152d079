-- What only Oxcart knows of a scheduler: overlap, missed, jitter (ms). Nothing is said by an empty table.
local function policy_of(keys, scheduler)
  local readable, found = pcall(cjson.decode, redis.call("HGET", keys.policies, scheduler) or "{}")
  return readable and type(found) == "table" and found or {}
end
