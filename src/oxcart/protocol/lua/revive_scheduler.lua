-- Adds the run again that a scheduler is at, if it has vanished.
--
-- keys: id wait active prioritized pc delayed marker meta events schedulers
-- args: prefix scheduler slot now head cron priority lifo dedup
-- returns: the id of the run, or empty if there was nothing to do
-- include: run_id, add_run, read_meta
local present = tonumber(redis.call("ZSCORE", keys.schedulers, scheduler) or nil)
slot = tonumber(slot)
if present ~= slot or redis.call("EXISTS", prefix .. run_id(scheduler, slot)) == 1 then
  return ""
end
local stored = redis.call("HMGET", prefix .. "repeat:" .. scheduler, "name", "data")
local meta = read_meta(keys)
local id = add_run(keys, prefix, meta, {
  scheduler = scheduler, slot = slot, now = tonumber(now), jitter = 0, head = head, cron = cron == "1",
  name = stored[1] or scheduler, data = stored[2] or "{}", priority = priority, lifo = lifo, dedup = dedup,
})
redis.call("XTRIM", keys.events, "MAXLEN", "~", meta.max_len)
return id
