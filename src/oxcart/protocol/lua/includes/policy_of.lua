-- What only Oxcart knows of a scheduler: overlap, missed, jitter (ms), since (how many runs it had had before its limit
-- began to count). Nothing is said by an empty table.
local function policy_of(keys, scheduler)
  local readable, found = pcall(cjson.decode, redis.call("HGET", keys.policies, scheduler) or "{}")
  found = readable and type(found) == "table" and found or {}
  found.jitter = math.min(math.max(tonumber(found.jitter) or 0, 0), 2199023255552)
  return found
end
