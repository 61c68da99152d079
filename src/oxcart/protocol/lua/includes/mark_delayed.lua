-- Tells idle workers when to look again: when the first delayed job is due.
--
-- include: next_due
local function mark_delayed(keys)
  local due = next_due(keys)
  if due then
    redis.call("ZADD", keys.marker, string.format("%.0f", due), "1")
  end
end
