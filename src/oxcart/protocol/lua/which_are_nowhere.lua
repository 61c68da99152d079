-- Which of these ids no sorted set holds: they wait in a list, are active, or are nowhere.
--
-- keys: delayed prioritized completed failed waiting_children
-- args: *ids
-- returns: ids
local found = {}
for at = ids_at, #ARGV do
  local id = ARGV[at]
  local held = false
  for _, key in pairs(keys) do
    held = held or redis.call("ZSCORE", key, id)
  end
  if not held then
    found[#found + 1] = id
  end
end
return found
