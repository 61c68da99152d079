-- Tells of some jobs where they are, when they were taken and finished, how often they were taken, and their value if it
-- is short.
--
-- keys: completed failed delayed
-- args: prefix *ids
-- returns: {state, or empty if there is no such job, when it was last taken, when it was finished, how often it was taken,
-- its value, or empty if it is longer than 40 bytes, …}
local answer = {}
for at = ids_at, #ARGV do
  local id, state = ARGV[at], ""
  local found = redis.pcall("HMGET", prefix .. id, "timestamp", "processedOn", "finishedOn", "ats", "returnvalue")
  if not found.err and found[1] then
    state = (redis.call("ZSCORE", keys.completed, id) and "completed") or (redis.call("ZSCORE", keys.failed, id) and "failed")
      or (redis.call("ZSCORE", keys.delayed, id) and "delayed") or (found[2] and "active") or "waiting"
  end
  answer[#answer + 1] = state
  for field = 2, 5 do
    local value = not found.err and found[field] or ""
    answer[#answer + 1] = #value <= 40 and value or ""
  end
end
return answer
