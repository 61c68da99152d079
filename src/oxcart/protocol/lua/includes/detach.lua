-- Tells a parent that a child is removed. If it waited for nothing else it is let go, at once and before all others,
-- whatever its own delay and priority.
--
-- `hard`: in clean-ups of whole queues a parent in the same queue goes with its last child, and no event is written.
--
-- include: queue_keys, read_meta, wake, emit, parent_of, disown_dedup, forget_jobs
local function detach(prefix, id, hard, gone)
  local found = redis.pcall("HMGET", prefix .. id, "parentKey", "parent")
  local parent_key = not found.err and found[1]
  if not parent_key or redis.call("EXISTS", parent_key) == 0 then
    return
  end
  local dependencies = parent_key .. ":dependencies"
  if redis.call("SREM", dependencies, prefix .. id) == 0 or redis.call("EXISTS", dependencies) == 1 then
    return
  end
  local queue_key, parent_id = parent_of(parent_key, found[2])
  local theirs = queue_keys(queue_key)
  if redis.call("ZREM", theirs.waiting_children, parent_id) == 0 then
    return
  end
  if hard and queue_key .. ":" == prefix then
    detach(prefix, parent_id, hard, gone)
    disown_dedup(prefix, parent_id)
    forget_jobs(prefix, { parent_id })
    gone[parent_id] = true
    return
  end
  redis.call("RPUSH", theirs.wait, parent_id)
  wake(theirs, read_meta(theirs))
  if not hard then
    emit(theirs, "waiting", "jobId", parent_id, "prev", "waiting-children")
  end
end
