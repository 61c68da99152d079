-- Renews the locks of running jobs.
--
-- A lock that ran out while Redis was out of reach is taken again, if the job is still in `active` and nobody else
-- holds it: it is still ours, and better kept than run twice.
--
-- keys: active stalled
-- args: prefix lock_ms *jobs
-- returns: the ids whose lock is lost
local lost, kept, lock_keys = {}, {}, {}
for at = jobs_at, #ARGV, 2 do
  lock_keys[#lock_keys + 1] = prefix .. ARGV[at] .. ":lock"
end
local locks = redis.call("MGET", unpack(lock_keys))
for n, lock_key in ipairs(lock_keys) do
  local id, token = ARGV[jobs_at + 2 * n - 2], ARGV[jobs_at + 2 * n - 1]
  if locks[n] == token or (not locks[n] and redis.call("LPOS", keys.active, id)) then
    redis.call("SET", lock_key, token, "PX", lock_ms)
    kept[#kept + 1] = id
  else
    lost[#lost + 1] = id
  end
end
if #kept > 0 then
  redis.call("SREM", keys.stalled, unpack(kept))
end
return lost
