-- Erases those of these ids that no state holds any more: a job's hash, or what is left beside one.
--
-- keys: wait paused active delayed prioritized completed failed waiting_children marker meta events
-- args: prefix *ids
-- returns: how many were erased
-- include: is_left, erase
local function is_held(id)
  for _, key in ipairs({ keys.delayed, keys.prioritized, keys.completed, keys.failed, keys.waiting_children }) do
    if redis.call("ZSCORE", key, id) then
      return true
    end
  end
  for _, key in ipairs({ keys.active, keys.wait, keys.paused }) do
    if redis.call("LPOS", key, id) then
      return true
    end
  end
  return false
end

local orphans = {}
for at = ids_at, #ARGV do
  local id = ARGV[at]
  if not is_held(id) and is_left(prefix .. id) then
    orphans[#orphans + 1] = id
    redis.call("DEL", prefix .. id .. ":lock")
  end
end
erase(prefix, orphans, {})
return #orphans
