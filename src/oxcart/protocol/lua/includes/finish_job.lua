-- Finishes a job for good: tells its parent, stores the result or deletes the job at once, and tells the world.
--
-- Answers the set whose retention is due, if it is that of the completed jobs, of which many can be trimmed together.
--
-- include: child_done, child_failed, free_dedup, forget_jobs, forget_failed, retain, emit, try_to, count_minute
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
  local target = nil
  if string.sub(attempt.keep, 1, 2) == "0:" then
    local forget = done and forget_jobs or forget_failed
    forget(prefix, { id })
  else
    local time = meta.time
    redis.call("ZADD", done and keys.completed or keys.failed, time, id)
    if done then
      redis.call("HSET", key, "atm", made, "returnvalue", attempt.text, "finishedOn", time)
      target = attempt.keep ~= "" and keys.completed or nil
    else
      redis.call(
        "HSET", key, "atm", made, "failedReason", attempt.text, "stacktrace", attempt.stacktrace, "finishedOn", time
      )
      redis.call("HDEL", key, "defa")
      if attempt.keep ~= "" then
        -- At once: it may let parents go, which is told before the failure, as in Node.
        try_to(meta, id, retain, keys.failed, prefix, attempt.keep, now, forget_failed)
      end
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
  return target
end
