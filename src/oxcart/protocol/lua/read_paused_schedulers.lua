-- Reads the schedulers that are paused, or one of them. Those that somebody has made anew meanwhile are not paused.
--
-- keys: schedulers paused_schedulers
-- args: scheduler
-- returns: {id, what is kept of it as JSON, …}
local found = scheduler == "" and redis.call("HGETALL", keys.paused_schedulers)
  or { scheduler, redis.call("HGET", keys.paused_schedulers, scheduler) }
local answer = {}
for at = 1, #found, 2 do
  if found[at + 1] and not redis.call("ZSCORE", keys.schedulers, found[at]) then
    answer[#answer + 1] = found[at]
    answer[#answer + 1] = found[at + 1]
  end
end
return answer
