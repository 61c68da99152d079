-- Adds the run again that a scheduler is at, if it has vanished.
--
-- keys: id wait paused active prioritized pc delayed marker meta events schedulers
-- args: prefix scheduler slot now head cron priority lifo dedup
-- returns: the id of the run, or empty if there was nothing to do
-- include: run_id, add_run, state_before, leave_before, read_meta
local present = tonumber(redis.call("ZSCORE", keys.schedulers, scheduler) or nil)
slot = tonumber(slot)
local lost = run_id(scheduler, slot)
if present ~= slot or redis.call("EXISTS", prefix .. lost) == 1 or redis.call("LPOS", keys.active, lost) then
  return "" -- while it is active, its worker finds out
end
local state = state_before(keys, prefix, lost)
if state then
  leave_before(keys, state, lost)
end
local stored = redis.call("HMGET", prefix .. "repeat:" .. scheduler, "name", "data")
local meta = read_meta(keys)
local id = add_run(keys, prefix, meta, {
  scheduler = scheduler, slot = slot, now = tonumber(now), jitter = 0, head = head, cron = cron == "1",
  name = stored[1] or scheduler, data = stored[2] or "{}", priority = priority, lifo = lifo, dedup = dedup,
})
redis.call("XTRIM", keys.events, "MAXLEN", "~", meta.max_len)
return id
