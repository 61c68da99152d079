-- Puts a scheduler aside: keeps all that it is where only Oxcart knows of it, and removes it with its next run.
--
-- What is kept is its hash as it stands there, byte by byte. A run that stays counts as made: it runs once more.
--
-- keys: active delayed marker meta events schedulers policies running paused_schedulers
-- args: prefix scheduler now
-- returns: whether there was one that can be kept (1 or 0)
-- include: end_scheduler
local hash = redis.pcall("HGETALL", prefix .. "repeat:" .. scheduler)
if hash.err or #hash == 0 or not redis.call("ZSCORE", keys.schedulers, scheduler) then
  return 0
end
local kept = {
  at = now, policy = redis.call("HGET", keys.policies, scheduler) or "",
  running = redis.call("HGET", keys.running, scheduler) or "", hash = hash,
}
local slot, stays = end_scheduler(keys, prefix, scheduler)
kept.slot, kept.stays = string.format("%.0f", slot), stays
redis.call("HSET", keys.paused_schedulers, scheduler, cjson.encode(kept))
return 1
