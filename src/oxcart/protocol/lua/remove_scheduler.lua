-- Removes a scheduler, and its next run if that waits for its time; also one that is paused.
--
-- keys: active delayed marker meta events schedulers policies running paused_schedulers
-- args: prefix scheduler
-- returns: whether there was one (1 or 0)
-- include: end_scheduler
local was_paused = redis.call("HDEL", keys.paused_schedulers, scheduler)
return end_scheduler(keys, prefix, scheduler) and 1 or was_paused
