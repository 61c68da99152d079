-- Reads schedulers: some by place, those that run next first or last, or one by its id.
--
-- keys: schedulers policies
-- args: prefix scheduler start stop ascending
-- returns: {id, time of its next run, hash, what only Oxcart knows of it, when that run was finished, its options, …}
-- include: run_id
local found = {}
if scheduler ~= "" then
  local slot = redis.call("ZSCORE", keys.schedulers, scheduler)
  found = slot and { scheduler, slot } or {}
else
  found = redis.call(ascending == "1" and "ZRANGE" or "ZREVRANGE", keys.schedulers, start, stop, "WITHSCORES")
end
local answer = {}
for at = 1, #found, 2 do
  local hash = redis.pcall("HGETALL", prefix .. "repeat:" .. found[at])
  answer[#answer + 1] = found[at]
  answer[#answer + 1] = string.format("%.0f", tonumber(found[at + 1]))
  answer[#answer + 1] = hash.err and {} or hash
  answer[#answer + 1] = redis.call("HGET", keys.policies, found[at]) or ""
  local run = redis.pcall("HMGET", prefix .. run_id(found[at], tonumber(found[at + 1])), "finishedOn", "opts")
  answer[#answer + 1] = not run.err and run[1] or ""
  answer[#answer + 1] = not run.err and run[2] or ""
end
return answer
