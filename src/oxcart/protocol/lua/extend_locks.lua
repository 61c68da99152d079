-- Renews the locks of running jobs.
--
-- A lock that ran out while Redis was out of reach is taken again, if the job is still in `active` and nobody else
-- holds it: it is still ours, and better kept than run twice. Along the way it learns which jobs somebody has asked to
-- cancel; who may not read the keys for that (`own`) renews all the same.
--
-- keys: active stalled
-- args: prefix own lock_ms *jobs
-- returns: {the ids whose lock is lost, {id, token, why, …} of those to be cancelled}
local lost, kept, tokens, lock_keys, cancelled = {}, {}, {}, {}, {}
for at = jobs_at, #ARGV, 2 do
  lock_keys[#lock_keys + 1] = prefix .. ARGV[at] .. ":lock"
end
local locks = redis.call("MGET", unpack(lock_keys))
for n, lock_key in ipairs(lock_keys) do
  local id, token = ARGV[jobs_at + 2 * n - 2], ARGV[jobs_at + 2 * n - 1]
  if locks[n] == token or (not locks[n] and redis.call("LPOS", keys.active, id)) then
    redis.call("SET", lock_key, token, "PX", lock_ms)
    kept[#kept + 1] = id
    tokens[#tokens + 1] = token
  else
    lost[#lost + 1] = id
  end
end
if #kept > 0 then
  redis.call("SREM", keys.stalled, unpack(kept))
  if redis.pcall("EXISTS", own .. "cancel") == 1 then
    for n, id in ipairs(kept) do
      local asked = redis.pcall("GET", own .. "cancel:" .. id)
      -- Who asked meant this attempt, and not a later one.
      local begin = tokens[n] .. "\n"
      if type(asked) == "string" and string.sub(asked, 1, #begin) == begin then
        cancelled[#cancelled + 1] = id
        cancelled[#cancelled + 1] = tokens[n]
        cancelled[#cancelled + 1] = string.sub(asked, #begin + 1)
      end
    end
  end
end
return { lost, cancelled }
