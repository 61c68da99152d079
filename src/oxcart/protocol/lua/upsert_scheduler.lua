-- Makes a scheduler, or changes one: stores what it is, and adds its next run in place of the one that waits.
--
-- A run that a worker has taken already stays as it is. If the times are the same as before, so is that of the next run.
-- `fields` are those of the scheduler's hash, `ends` and `start` empty or ms, `random` a number from 0 to 1.
--
-- keys: id wait paused active prioritized pc delayed marker meta events schedulers policies paused_schedulers
-- args: prefix scheduler now upcoming every pattern zone offset start ends immediately limited random policy head name data priority lifo *fields
-- returns: {id, delay} of the next run, {} it would be after the end, or -10 its time is taken by a job, -11 so are all
--   that could stand for it
-- include: next_slot, free_slot, interval_of, run_id, add_run, state_before, leave_before, erase, read_meta
now = tonumber(now)
local key = prefix .. "repeat:" .. scheduler
local old = redis.call("HMGET", key, "every", "pattern", "tz", "startDate", "offset", "ic")
local before = tonumber(redis.call("ZSCORE", keys.schedulers, scheduler) or nil)
local interval = tonumber(every)

-- A start that has passed means nothing any more.
local function to_come(moment)
  moment = tonumber(moment or nil)
  return moment and moment > now and moment
end
local same = before and to_come(old[4]) == to_come(start)
if interval then
  same = same and interval_of(old[1]) == interval and (offset == "" or tonumber(offset) == tonumber(old[5] or nil))
else
  same = same and old[2] == pattern and (old[3] or "") == zone
end
local waiting = before and run_id(scheduler, before)
local state = before and state_before(keys, prefix, waiting)

local slot, phase = tonumber(upcoming), offset ~= "" and offset or "0"
if interval then
  local found
  slot, found = next_slot(same and before or nil, interval, now, tonumber(offset) or 0, tonumber(start))
  phase = string.format("%.0f", found)
end
if state and same and (interval or immediately ~= "1") and (ends == "" or before <= tonumber(ends)) then
  slot = before
end
if not (state and slot == before) then
  local code
  slot, code = free_slot(prefix, scheduler, slot, interval)
  if code then
    return code
  end
end
if ends ~= "" and slot > tonumber(ends) then
  return {}
end

local ic = old[6] or "1"
local own = policy == "" and {} or cjson.decode(policy)
if limited == "1" and ic ~= "1" then
  own.since = tonumber(ic) - 1
end
local jitter, due = math.floor((own.jitter or 0) * tonumber(random)), nil
if state then
  local score = redis.call("ZSCORE", keys.delayed, waiting)
  if score and slot == before and own.jitter then
    -- It was put off at random already: it shall not run at once since somebody started again.
    local until_then = math.floor(tonumber(score) / 4096)
    due = until_then - slot <= own.jitter and until_then or nil
  end
  leave_before(keys, state, waiting)
  erase(prefix, { waiting }, {})
  phase = offset ~= "" and offset or old[5] or phase
end
redis.call("ZADD", keys.schedulers, string.format("%.0f", slot), scheduler)
redis.call("DEL", key)
redis.call("HSET", key, "ic", ic, "offset", phase, unpack(ARGV, fields_at))
if next(own) then
  redis.call("HSET", keys.policies, scheduler, cjson.encode(own))
else
  redis.call("HDEL", keys.policies, scheduler)
end
redis.call("HDEL", keys.paused_schedulers, scheduler)
local meta = read_meta(keys)
local id, delay = add_run(keys, prefix, meta, {
  scheduler = scheduler, slot = slot, now = now, due = due, jitter = jitter, head = head, cron = not interval,
  name = name, data = data, priority = priority, lifo = lifo, dedup = "",
})
redis.call("XTRIM", keys.events, "MAXLEN", "~", meta.max_len)
return { id, delay }
