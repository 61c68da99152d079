-- Finishes a job for good: tells its parent, stores the result or deletes the job at once, and tells the world.
--
-- include: child_done, child_failed, free_dedup, forget_jobs, emit, try_to, count_minute
local function finish_job(keys, prefix, now, meta, attempt)
  local id, key, done = attempt.id, attempt.key, attempt.outcome == "completed"
  -- As text where that is known: turning numbers into text is slow.
  local made = attempt.made == 0 and "1" or attempt.made + 1
  if attempt.dedup_id then
    try_to(meta, id, free_dedup, keys, prefix, id, attempt.dedup_id, meta, now)
  end
  if attempt.parent_key then
    local tell = done and child_done or child_failed
    local parent = redis.call("HGET", key, "parent")
    try_to(meta, id, tell, key, attempt.parent_key, parent, attempt.text, now)
  end
  local target = done and keys.completed or keys.failed
  if string.sub(attempt.keep, 1, 2) == "0:" then
    forget_jobs(prefix, { id })
    target = nil
  else
    local time = meta.time
    redis.call("ZADD", target, time, id)
    if done then
      redis.call("HSET", key, "atm", made, "returnvalue", attempt.text, "finishedOn", time)
    else
      redis.call(
        "HSET", key, "atm", made, "failedReason", attempt.text, "stacktrace", attempt.stacktrace, "finishedOn", time
      )
      redis.call("HDEL", key, "defa")
    end
  end
  if done then
    redis.call(
      "XADD", keys.events, "*", "event", "completed", "jobId", id, "returnvalue", attempt.text, "prev", "active"
    )
  else
    emit(keys, "failed", "jobId", id, "failedReason", attempt.text, "prev", "active")
    if tonumber(made) >= (tonumber(attempt.number) or 0) then
      emit(keys, "retries-exhausted", "jobId", id, "attemptsMade", made)
    end
  end
  if meta.points > 0 then
    try_to(meta, id, count_minute, prefix, done and "completed" or "failed", now, meta.points)
  end
  return attempt.keep ~= "" and target or nil
end
