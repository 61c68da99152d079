-- Erases some of what a paused queue has, or with `force` even if jobs are active; when nothing is left, its own keys.
--
-- keys: wait paused active delayed prioritized completed failed waiting_children meta id pc marker events stalled stalled_check limiter schedulers policies running paused_schedulers
-- args: prefix count force
-- returns: how many jobs were erased, or 0 when all is gone, -31 not paused, -32 jobs are active
-- include: erase, in_slices
if redis.call("HEXISTS", keys.meta, "paused") == 0 then
  return -31
end
count = tonumber(count)
local active = redis.call("LRANGE", keys.active, -count, -1)
if #active > 0 then
  if force ~= "1" then
    return -32
  end
  local locks = {}
  for at, id in ipairs(active) do
    locks[at] = prefix .. id .. ":lock"
  end
  redis.call("DEL", unpack(locks))
  redis.call("LTRIM", keys.active, 0, -1 - #active)
  erase(prefix, active, {})
  return #active
end
for _, list in ipairs({ "wait", "paused" }) do
  local ids = redis.call("LRANGE", keys[list], -count, -1)
  if #ids > 0 then
    redis.call("LTRIM", keys[list], 0, -1 - #ids)
    erase(prefix, ids, {})
    return #ids
  end
end
-- Parents last: most go with their children.
for _, set in ipairs({ "delayed", "prioritized", "completed", "failed", "waiting_children" }) do
  local ids = redis.call("ZRANGE", keys[set], 0, count - 1)
  if #ids > 0 then
    in_slices("ZREM", keys[set], ids)
    erase(prefix, ids, {})
    return #ids
  end
end
local schedulers = redis.call("ZRANGE", keys.schedulers, 0, count - 1)
if #schedulers > 0 then
  for _, scheduler in ipairs(schedulers) do
    redis.call("DEL", prefix .. "repeat:" .. scheduler)
  end
  in_slices("ZREM", keys.schedulers, schedulers)
  return #schedulers
end
redis.call(
  "UNLINK", keys.events, keys.stalled, keys.stalled_check, keys.id, keys.pc, keys.marker, keys.meta, keys.limiter,
  prefix .. "metrics:completed", prefix .. "metrics:completed:data", prefix .. "metrics:failed",
  prefix .. "metrics:failed:data", prefix .. "delay", prefix .. "priority", keys.policies, keys.running,
  keys.paused_schedulers
)
return 0
