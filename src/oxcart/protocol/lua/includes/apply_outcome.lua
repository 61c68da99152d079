-- Does to a job, already out of `active`, what the end of its attempt says. Answers the set whose retention is due.
--
-- include: emit, enqueue, put_delayed, mark_delayed, wake, finish_job
local function apply_outcome(keys, prefix, now, meta, attempt)
  local outcome, id, key = attempt.outcome, attempt.id, attempt.key
  if outcome == "completed" or outcome == "failed" then
    return finish_job(keys, prefix, now, meta, attempt)
  end
  if outcome == "retry" or outcome == "delayed" then
    redis.call("HSET", key, "failedReason", attempt.text, "stacktrace", attempt.stacktrace, "atm", attempt.made + 1)
  end
  if outcome == "delayed" or outcome == "later" then
    redis.call("HSET", key, "delay", attempt.number)
    put_delayed(keys, id, now + tonumber(attempt.number))
    mark_delayed(keys)
    return nil
  end
  if outcome == "limited" then
    redis.call("SET", keys.limiter, "9007199254740991", "PX", attempt.number)
  end
  if outcome == "children" and redis.call("EXISTS", key .. ":dependencies") == 1 then
    redis.call("ZADD", keys.waiting_children, meta.time, id)
    emit(keys, "waiting-children", "jobId", id, "prev", "active")
    return nil
  end
  local back = outcome == "back" or outcome == "limited" or outcome == "children"
  if back and attempt.priority > 0 then
    -- Ahead of all others of its priority: it had its turn already.
    redis.call("ZADD", keys.prioritized, string.format("%.0f", attempt.priority * 4294967296), id)
  else
    enqueue(keys, id, attempt.priority, back or attempt.lifo)
  end
  wake(keys, meta)
  emit(keys, "waiting", "jobId", id, "prev", "active")
  return nil
end
