-- Lets a parent go on whose children are done: to `wait` (it runs next), `prioritized`, or `delayed` by its own delay.
--
-- include: read_meta, enqueue, put_delayed, mark_delayed, wake, emit
local function release_parent(keys, parent_key, id, now)
  local found = redis.call("HMGET", parent_key, "priority", "delay")
  local priority, delay = tonumber(found[1]) or 0, tonumber(found[2]) or 0
  if delay > 0 then
    put_delayed(keys, id, now + delay)
    mark_delayed(keys)
    return
  end
  enqueue(keys, id, priority, true)
  wake(keys, read_meta(keys))
  emit(keys, "waiting", "jobId", id, "prev", "waiting-children")
end
