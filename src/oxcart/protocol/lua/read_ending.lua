-- Reads how a job ended.
--
-- keys: completed failed
-- args: prefix id
-- returns: {"completed", value, stacktrace}, {"failed", reason, stacktrace}, or {""} if it has not; -1 no such job
local key = prefix .. id
if redis.call("EXISTS", key) == 0 then
  return -1
end
if redis.call("ZSCORE", keys.completed, id) then
  return { "completed", redis.call("HGET", key, "returnvalue") or "null", "" }
end
if redis.call("ZSCORE", keys.failed, id) then
  return { "failed", redis.call("HGET", key, "failedReason") or "", redis.call("HGET", key, "stacktrace") or "" }
end
return { "", "", "" }
