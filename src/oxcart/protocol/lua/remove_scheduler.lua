-- Removes a scheduler, and its next run if that waits for its time; one that workers may take runs once more, and one
-- that waits for another attempt goes on.
--
-- keys: active delayed marker meta events schedulers policies running
-- args: prefix scheduler
-- returns: whether there was one (1 or 0)
-- include: run_id, erase, emit
local slot = tonumber(redis.call("ZSCORE", keys.schedulers, scheduler) or nil)
if slot then
  local id = run_id(scheduler, slot)
  if redis.call("HEXISTS", prefix .. id, "ats") == 0 and redis.call("ZREM", keys.delayed, id) == 1 then
    erase(prefix, { id }, {})
    emit(keys, "removed", "jobId", id, "prev", "delayed")
  end
end
redis.call("HDEL", keys.policies, scheduler)
redis.call("HDEL", keys.running, scheduler)
if redis.call("ZREM", keys.schedulers, scheduler) == 0 then
  return 0
end
redis.call("DEL", prefix .. "repeat:" .. scheduler)
return 1
