-- Makes a parent fail with its child: the worker that takes it next fails it without running it.
--
-- include: queue_keys, release_parent
local function fail_parent(queue_key, parent_key, id, child_key, now)
  if redis.call("EXISTS", parent_key) == 0 then
    return
  end
  local theirs = queue_keys(queue_key)
  if redis.call("ZSCORE", theirs.failed, id) then
    return
  end
  redis.call("HSET", parent_key, "defa", "child " .. child_key .. " failed")
  if redis.call("ZREM", theirs.waiting_children, id) == 1 then
    release_parent(theirs, parent_key, id, now)
  elseif redis.call("ZREM", theirs.delayed, id) == 1 then
    redis.call("HSET", parent_key, "delay", 0)
    release_parent(theirs, parent_key, id, now)
  end
end
