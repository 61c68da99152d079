-- Tells of some jobs where they are, and when they were taken and finished.
--
-- keys: completed failed delayed
-- args: prefix *ids
-- returns: {state, or empty if there is no such job, when it was taken, when it was finished, …}
local answer = {}
for at = ids_at, #ARGV do
  local id, state = ARGV[at], ""
  local found = redis.pcall("HMGET", prefix .. id, "timestamp", "processedOn", "finishedOn")
  if not found.err and found[1] then
    state = (redis.call("ZSCORE", keys.completed, id) and "completed") or (redis.call("ZSCORE", keys.failed, id) and "failed")
      or (redis.call("ZSCORE", keys.delayed, id) and "delayed") or (found[2] and "active") or "waiting"
  end
  answer[#answer + 1] = state
  answer[#answer + 1] = not found.err and found[2] or ""
  answer[#answer + 1] = not found.err and found[3] or ""
end
return answer
