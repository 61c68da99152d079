-- Which of these ids are of something left of a job that no sorted set holds: it is in a list, or nowhere.
--
-- keys: delayed prioritized completed failed waiting_children
-- args: prefix *ids
-- returns: ids
-- include: is_left
local found = {}
for at = ids_at, #ARGV do
  local id = ARGV[at]
  local held = false
  for _, key in pairs(keys) do
    held = held or redis.call("ZSCORE", key, id)
  end
  if not held and is_left(prefix .. id) then
    found[#found + 1] = id
  end
end
return found
