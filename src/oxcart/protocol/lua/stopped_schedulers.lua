-- Looks through some schedulers for those whose next run is not there, or has ended without bringing another.
--
-- With an interval, one look is enough for all workers in that time. Those that have come to their end are passed over.
-- Also forgets what is known only here of schedulers that are no more, or that were paused and are there again: Node
-- removes and makes them without it.
--
-- keys: schedulers policies running paused_schedulers check
-- args: prefix start count now interval_ms
-- returns: {how many were looked at, id, its time, hash without the data, what only Oxcart knows of it, hash of the run
--   that has ended, …}
-- include: run_id
if start == "0" and interval_ms ~= "0" and not redis.call("SET", keys.check, now, "NX", "PX", interval_ms) then
  return { 0 }
end
local function over(run)
  local readable, opts = pcall(cjson.decode, redis.pcall("HGET", run, "opts") or "")
  local times = readable and type(opts) == "table" and opts["repeat"]
  if type(times) ~= "table" then
    return false
  end
  local limit, count, ends = tonumber(times.limit), tonumber(times.count), tonumber(times.endDate)
  return (limit and count and count >= limit) or (ends and tonumber(now) > ends)
end
local function fields(key, without)
  local hash, kept = redis.pcall("HGETALL", key), {}
  for at = 1, #hash, 2 do
    if hash[at] ~= without then
      kept[#kept + 1] = hash[at]
      kept[#kept + 1] = hash[at + 1]
    end
  end
  return kept
end

local found = redis.call("ZRANGE", keys.schedulers, start, tonumber(start) + tonumber(count) - 1, "WITHSCORES")
local answer = { #found / 2 }
for at = 1, #found, 2 do
  local slot = tonumber(found[at + 1])
  local run = prefix .. run_id(found[at], slot)
  local missing = redis.call("EXISTS", run) == 0
  local ended = not missing and redis.pcall("HEXISTS", run, "finishedOn") == 1
  if math.abs(slot) < math.huge and (missing or (ended and not over(run))) then
    answer[#answer + 1] = found[at]
    answer[#answer + 1] = string.format("%.0f", slot)
    answer[#answer + 1] = fields(prefix .. "repeat:" .. found[at], "data")
    answer[#answer + 1] = redis.call("HGET", keys.policies, found[at]) or ""
    answer[#answer + 1] = ended and fields(run, "returnvalue") or {}
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
  for _, scheduler in ipairs(redis.call("HKEYS", keys.paused_schedulers)) do
    if redis.call("ZSCORE", keys.schedulers, scheduler) then
      redis.call("HDEL", keys.paused_schedulers, scheduler)
    end
  end
end
return answer
