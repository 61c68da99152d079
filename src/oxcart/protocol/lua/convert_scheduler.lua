-- Turns a repeated job of version 5 into a scheduler with another id; its run that waits keeps its time.
--
-- keys: id wait paused active prioritized pc delayed marker meta events schedulers
-- args: prefix old scheduler slot now head cron name data priority lifo dedup *fields
-- returns: the id of the run, or empty if it doesn't wait any more or the id is taken
-- include: run_id, add_run, state_before, leave_before, erase, read_meta
slot = tonumber(slot)
local waiting = run_id(old, slot)
local state = tonumber(redis.call("ZSCORE", keys.schedulers, old) or nil) == slot and state_before(keys, prefix, waiting)
local new = run_id(scheduler, slot)
if not state or redis.call("ZSCORE", keys.schedulers, scheduler) or redis.call("EXISTS", prefix .. new) == 1 then
  return ""
end
leave_before(keys, state, waiting)
erase(prefix, { waiting }, {})
redis.call("ZREM", keys.schedulers, old)
redis.call("DEL", prefix .. "repeat:" .. old)
redis.call("ZADD", keys.schedulers, string.format("%.0f", slot), scheduler)
redis.call("DEL", prefix .. "repeat:" .. scheduler)
redis.call("HSET", prefix .. "repeat:" .. scheduler, "ic", 1, unpack(ARGV, fields_at))
local meta = read_meta(keys)
local id = add_run(keys, prefix, meta, {
  scheduler = scheduler, slot = slot, now = tonumber(now), due = state ~= "delayed" and tonumber(now) or nil, jitter = 0,
  head = head, cron = cron == "1", name = name, data = data, priority = priority, lifo = lifo, dedup = dedup,
})
redis.call("XTRIM", keys.events, "MAXLEN", "~", meta.max_len)
return id
