-- Erases those of these ids that no state holds any more: a job's hash, or what is left beside one.
--
-- keys: wait paused active delayed prioritized completed failed waiting_children marker meta events
-- args: prefix *ids
-- returns: how many were erased
-- include: looks_like_job, erase
local beside = {
  lock = "string", logs = "list", dependencies = "set", processed = "hash", failed = "hash", unsuccessful = "zset",
}

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

local function is_left(id)
  local key = prefix .. id
  if redis.call("EXISTS", key) == 1 then
    return looks_like_job(key)
  end
  for suffix, kind in pairs(beside) do
    if redis.call("TYPE", key .. ":" .. suffix)["ok"] == kind then
      return true
    end
  end
  return false
end

local orphans = {}
for at = ids_at, #ARGV do
  local id = ARGV[at]
  if not is_held(id) and is_left(id) then
    orphans[#orphans + 1] = id
    redis.call("DEL", prefix .. id .. ":lock")
  end
end
erase(prefix, orphans, {})
return #orphans
