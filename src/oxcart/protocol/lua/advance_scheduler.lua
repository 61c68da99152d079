-- Adds the next run of a scheduler, for the worker that has taken the present one, and says whether to skip that.
--
-- Only the run that the scheduler is at brings the next one: whoever takes it again, or an older one, adds nothing.
-- `due`: when the present run was to begin, empty if it is not its first attempt. `upcoming`: the time of a pattern's next
-- run that is not missed yet, `following`: of the one right after the present run; empty for an interval, and where no
-- more is to come (`over`). A scheduler without a count (`ic`) is a repeated job of version 5: each run has its data
-- from the one before it.
--
-- keys: id wait active prioritized pc delayed marker meta events schedulers policies running
-- args: prefix scheduler run now due upcoming following over every offset ends random head name data priority lifo dedup
-- returns: {id of the run that was added, or empty, why the present one is to be skipped, or empty}, or -10 the time of
--   the next one is taken by a job
-- include: next_slot, run_id, add_run, policy_of, read_meta
now, due = tonumber(now), tonumber(due)
local slot = tonumber(redis.call("ZSCORE", keys.schedulers, scheduler) or nil)
if not slot then
  return { "", "" } -- it was removed
end
local stored = redis.call("HMGET", prefix .. "repeat:" .. scheduler, "name", "data", "every", "startDate", "offset", "ic")
local policy = policy_of(keys, scheduler)
local interval = tonumber(stored[3]) or tonumber(every)
local after = interval and math.floor(slot + interval) or tonumber(following)
local added = ""

if run == run_id(scheduler, slot) and over ~= "1" then
  local new
  if policy.missed == "all" then
    new = after
  elseif interval then
    new = next_slot(slot, interval, now, tonumber(stored[5]) or tonumber(offset) or 0, tonumber(stored[4]))
  else
    new = tonumber(upcoming)
  end
  local tries = 0
  while new and redis.call("EXISTS", prefix .. run_id(scheduler, new)) == 1 do
    tries = tries + 1
    if not interval then
      return -10
    elseif tries > 32 then
      return -11
    end
    new = math.floor(new + interval)
  end
  if interval and ends ~= "" and new > tonumber(ends) then
    new = nil
  end
  if new and stored[6] then
    name, data = stored[1] or name, stored[2] or "{}"
    redis.call("HINCRBY", prefix .. "repeat:" .. scheduler, "ic", 1)
  end
  if new then
    local meta = read_meta(keys)
    redis.call("ZADD", keys.schedulers, string.format("%.0f", new), scheduler)
    added = add_run(keys, prefix, meta, {
      scheduler = scheduler, slot = new, now = now, jitter = math.floor((tonumber(policy.jitter) or 0) * tonumber(random)),
      head = head, cron = not interval, name = name, data = data, priority = priority, lifo = lifo, dedup = dedup,
    })
    redis.call("XTRIM", keys.events, "MAXLEN", "~", meta.max_len)
  end
end

local skipped = ""
if policy.missed == "skip" and due and now - due > math.min(60000, after and after - slot or 60000) then
  skipped = "missed"
elseif policy.overlap == "skip" then
  local other = redis.call("HGET", keys.running, scheduler)
  if other and other ~= run and redis.call("EXISTS", prefix .. other) == 1
    and redis.call("HEXISTS", prefix .. other, "finishedOn") == 0 then
    skipped = "overlap"
  else
    redis.call("HSET", keys.running, scheduler, run)
  end
end
return { added, skipped }
