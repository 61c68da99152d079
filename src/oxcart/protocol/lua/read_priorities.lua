-- Counts the jobs that wait with each of these priorities.
--
-- keys: wait paused prioritized
-- args: *priorities
-- returns: a number for each
local found = {}
for at = priorities_at, #ARGV do
  local priority = tonumber(ARGV[at])
  if priority == 0 then
    found[#found + 1] = redis.call("LLEN", keys.wait) + redis.call("LLEN", keys.paused)
  else
    local lowest = string.format("%.0f", priority * 4294967296)
    local highest = string.format("%.0f", priority * 4294967296 + 4294967295)
    found[#found + 1] = redis.call("ZCOUNT", keys.prioritized, lowest, highest)
  end
end
return found
