-- Makes a scheduler, or changes one: stores what it is, and adds its next run in place of the one that waits.
--
-- A run that a worker has taken already stays as it is. If the times are the same as before, so is that of the next run.
-- `fields` are those of the scheduler's hash, `ends` and `start` empty or ms, `random` a number from 0 to 1.
--
-- keys: id wait paused active prioritized pc delayed marker meta events schedulers policies
-- args: prefix scheduler now upcoming every pattern zone offset start ends immediately random policy head name data priority lifo dedup *fields
-- returns: {id, delay} of the next run, or -10 its time is taken by a job, -11 so are all that could stand for it
-- include: next_slot, run_id, add_run, state_before, leave_before, erase, read_meta
now = tonumber(now)
local key = prefix .. "repeat:" .. scheduler
local old = redis.call("HMGET", key, "every", "pattern", "tz", "startDate", "offset", "ic")
local before = tonumber(redis.call("ZSCORE", keys.schedulers, scheduler) or nil)
local interval = tonumber(every)

local same
if interval then
  same = before and tonumber(old[1]) == interval and (offset == "" or tonumber(offset) == tonumber(old[5]))
else
  same = before and old[2] == pattern and (old[3] or "") == zone and (old[4] or "") == start
end
local state = before and state_before(keys, run_id(scheduler, before))

local slot, phase = tonumber(upcoming), offset ~= "" and offset or "0"
if interval then
  local found
  slot, found = next_slot(same and before or nil, interval, now, tonumber(offset) or 0, tonumber(start))
  phase = string.format("%.0f", found)
end
if state and same and (interval or immediately ~= "1") and (ends == "" or before <= tonumber(ends)) then
  slot = before
end
local tries = 0
while not (state and slot == before) and redis.call("EXISTS", prefix .. run_id(scheduler, slot)) == 1 do
  tries = tries + 1
  if not interval then
    return -10
  elseif tries > 32 then
    return -11
  end
  slot = math.floor(slot + interval)
end

if state then
  local id = run_id(scheduler, before)
  leave_before(keys, state, id)
  erase(prefix, { id }, {})
  phase = offset ~= "" and offset or old[5] or phase
end
redis.call("ZADD", keys.schedulers, string.format("%.0f", slot), scheduler)
redis.call("DEL", key)
redis.call("HSET", key, "ic", old[6] or "1", "offset", phase, unpack(ARGV, fields_at))
local jitter = 0
if policy == "" then
  redis.call("HDEL", keys.policies, scheduler)
else
  redis.call("HSET", keys.policies, scheduler, policy)
  jitter = math.floor((tonumber(cjson.decode(policy).jitter) or 0) * tonumber(random))
end
local meta = read_meta(keys)
local id, delay = add_run(keys, prefix, meta, {
  scheduler = scheduler, slot = slot, now = now, jitter = jitter, head = head, cron = not interval, name = name,
  data = data, priority = priority, lifo = lifo, dedup = dedup,
})
redis.call("XTRIM", keys.events, "MAXLEN", "~", meta.max_len)
return { id, delay }
