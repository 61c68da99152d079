-- Looks through some schedulers for those whose next run is not there, or has ended without bringing another.
--
-- Also forgets what is known only here of schedulers that are no more: Node removes them without it.
--
-- keys: schedulers policies running
-- args: prefix start count
-- returns: {how many were looked at, id, its time, hash, hash of the run that has ended, …}
-- include: run_id
local found = redis.call("ZRANGE", keys.schedulers, start, tonumber(start) + tonumber(count) - 1, "WITHSCORES")
local answer = { #found / 2 }
for at = 1, #found, 2 do
  local slot = tonumber(found[at + 1])
  local run = prefix .. run_id(found[at], slot)
  local missing = redis.call("EXISTS", run) == 0
  local ended = not missing and redis.pcall("HEXISTS", run, "finishedOn") == 1
  if missing or ended then
    local hash = redis.pcall("HGETALL", prefix .. "repeat:" .. found[at])
    answer[#answer + 1] = found[at]
    answer[#answer + 1] = string.format("%.0f", slot)
    answer[#answer + 1] = hash.err and {} or hash
    answer[#answer + 1] = ended and redis.call("HGETALL", run) or {}
  end
end
if start == "0" then
  for _, key in ipairs({ keys.policies, keys.running }) do
    for _, scheduler in ipairs(redis.call("HKEYS", key)) do
      if not redis.call("ZSCORE", keys.schedulers, scheduler) then
        redis.call("HDEL", key, scheduler)
      end
    end
  end
end
return answer
