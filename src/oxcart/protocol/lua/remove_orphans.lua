-- Erases those of these ids that no state holds any more.
--
-- keys: wait paused active delayed prioritized completed failed waiting_children marker meta events
-- args: prefix *ids
-- returns: how many were erased
-- include: erase
local orphans = {}
for at = ids_at, #ARGV do
  local id = ARGV[at]
  local held = false
  for _, key in ipairs({ keys.delayed, keys.prioritized, keys.completed, keys.failed, keys.waiting_children }) do
    held = held or redis.call("ZSCORE", key, id)
  end
  for _, key in ipairs({ keys.active, keys.wait, keys.paused }) do
    held = held or redis.call("LPOS", key, id)
  end
  if not held then
    orphans[#orphans + 1] = id
    redis.call("DEL", prefix .. id .. ":lock")
  end
end
erase(prefix, orphans, {})
return #orphans
