-- Removes a scheduler, and its next run if that waits for its time; answers its time, and whether a run stays.
--
-- One that workers may take runs once more, and one that waits for another attempt goes on.
--
-- include: run_id, erase, emit
local function end_scheduler(keys, prefix, scheduler)
  local slot, stays = tonumber(redis.call("ZSCORE", keys.schedulers, scheduler) or nil), false
  if slot then
    local id = run_id(scheduler, slot)
    stays = redis.call("EXISTS", prefix .. id) == 1
    if redis.pcall("HEXISTS", prefix .. id, "ats") == 0 and redis.call("ZREM", keys.delayed, id) == 1 then
      erase(prefix, { id }, {})
      emit(keys, "removed", "jobId", id, "prev", "delayed")
      stays = false
    end
  end
  redis.call("HDEL", keys.policies, scheduler)
  redis.call("HDEL", keys.running, scheduler)
  redis.call("ZREM", keys.schedulers, scheduler)
  if slot then
    redis.call("DEL", prefix .. "repeat:" .. scheduler)
  end
  return slot, stays
end
