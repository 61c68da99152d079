-- Makes a scheduler of one that is paused, as it was, with its next run.
--
-- `at` says which pause is meant, `number` which run the next one is. The grid of an interval stays as it was.
--
-- keys: id wait paused active prioritized pc delayed marker meta events schedulers policies running paused_schedulers
-- args: prefix scheduler at now upcoming every offset start ends jitter number head priority lifo dedup
-- returns: {id, delay, name, data} of the next run, {} it would be after the end, 0 it is not paused (any more), or -10
--   its time is taken by a job, -11 so are all that could stand for it
-- include: next_slot, free_slot, run_id, add_run, read_meta
local stored = redis.call("HGET", keys.paused_schedulers, scheduler)
local kept = stored and cjson.decode(stored)
if not kept or kept.at ~= at or redis.call("ZSCORE", keys.schedulers, scheduler) then
  return 0
end
now = tonumber(now)
local interval, slot, code = tonumber(every), tonumber(upcoming), nil
if interval then
  slot = tonumber(kept.slot)
  if slot <= now then
    slot = next_slot(slot, interval, now, tonumber(offset) or 0, tonumber(start))
  end
end
slot, code = free_slot(prefix, scheduler, slot, interval)
if code then
  return code
elseif ends ~= "" and slot > tonumber(ends) then
  return {}
end
local key = prefix .. "repeat:" .. scheduler
redis.call("DEL", key)
for from = 1, #kept.hash, 2 do
  redis.call("HSET", key, kept.hash[from], kept.hash[from + 1])
end
local name = redis.call("HGET", key, "name") or scheduler
local data = redis.call("HGET", key, "data") or "{}"
redis.call("HSET", key, "ic", number)
redis.call("ZADD", keys.schedulers, string.format("%.0f", slot), scheduler)
if kept.policy ~= "" then
  redis.call("HSET", keys.policies, scheduler, kept.policy)
end
if kept.running ~= "" then
  redis.call("HSET", keys.running, scheduler, kept.running)
end
redis.call("HDEL", keys.paused_schedulers, scheduler)
local meta = read_meta(keys)
local id, delay = add_run(keys, prefix, meta, {
  scheduler = scheduler, slot = slot, now = now, jitter = tonumber(jitter), head = head, cron = not interval,
  name = name, data = data, priority = priority, lifo = lifo, dedup = dedup,
})
redis.call("XTRIM", keys.events, "MAXLEN", "~", meta.max_len)
return { id, delay, name, data }
