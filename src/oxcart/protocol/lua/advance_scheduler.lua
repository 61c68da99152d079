-- Adds the next run of a scheduler, for the worker that has taken the present one, and says whether to skip that.
--
-- Only the run that the scheduler is at brings the next one: whoever takes it again, or an older one, adds nothing.
-- `own`: the time of the present run, `due`: when it was to begin, empty if it is not its first attempt. `upcoming`: the
-- time of a pattern's next run that is not missed yet, `following`: of the one right after the present run; empty for an
-- interval, and where no more is to come (`over`). A scheduler without a count (`ic`) is a repeated job of version 5:
-- each run has its data from the one before it.
--
-- keys: id wait active prioritized pc delayed marker meta events schedulers policies running
-- args: prefix scheduler run own now due upcoming following over every offset ends random head name data priority lifo dedup
-- returns: {id of the run that was added, or empty, why the present one is to be skipped, or empty}, or -10 the time of
--   the next one is taken by a job, -11 so are an interval's next 32
-- include: next_slot, free_slot, interval_of, run_id, add_run, policy_of, read_meta
now, due, own, ends = tonumber(now), tonumber(due), tonumber(own), tonumber(ends)
local slot = tonumber(redis.call("ZSCORE", keys.schedulers, scheduler) or nil)
if not slot then
  return { "", "" } -- it was removed
end
local hash = prefix .. "repeat:" .. scheduler
local stored = redis.call("HMGET", hash, "name", "data", "every", "startDate", "offset", "ic")
local policy = policy_of(keys, scheduler)
local interval = interval_of(stored[3]) or interval_of(every)
local after = interval and math.floor(own + interval) or tonumber(following)

local function next_time()
  if policy.missed == "all" then
    return after
  elseif interval then
    local phase = tonumber(stored[5] or nil) or tonumber(offset) or 0
    return (next_slot(slot, interval, now, phase, tonumber(stored[4] or nil)))
  end
  return tonumber(upcoming)
end

local added = ""
local new = run == run_id(scheduler, slot) and over ~= "1" and next_time()
if new then
  local code
  new, code = free_slot(prefix, scheduler, new, interval)
  if code then
    return code
  end
end
if new and not (ends and new > ends) then
  if stored[6] then
    name, data = stored[1] or name, stored[2] or "{}"
    redis.call("HINCRBY", hash, "ic", 1)
  end
  redis.call("ZADD", keys.schedulers, string.format("%.0f", new), scheduler)
  local meta = read_meta(keys)
  added = add_run(keys, prefix, meta, {
    scheduler = scheduler, slot = new, now = now, jitter = math.floor(policy.jitter * tonumber(random)), head = head,
    cron = not interval, name = name, data = data, priority = priority, lifo = lifo, dedup = dedup,
  })
  redis.call("XTRIM", keys.events, "MAXLEN", "~", meta.max_len)
end

-- Only a first attempt is skipped: what has begun once is somebody's to finish.
local skipped = ""
local patience = math.min(60000, after and after - own or 60000) + policy.jitter
if policy.missed == "skip" and due and now - due > patience then
  skipped = "missed"
elseif policy.overlap == "skip" then
  local other = redis.call("HGET", keys.running, scheduler)
  if due and other and other ~= run and redis.call("EXISTS", prefix .. other) == 1
    and redis.call("HEXISTS", prefix .. other, "finishedOn") == 0 then
    skipped = "overlap"
  else
    redis.call("HSET", keys.running, scheduler, run)
  end
end
return { added, skipped }
