-- Lets a parent go on if it waits for nothing any more.
--
-- include: queue_keys, release_parent
local function release_if_done(parent_key, queue_key, id, now)
  if redis.call("EXISTS", parent_key .. ":dependencies") == 1 or redis.call("EXISTS", parent_key) == 0 then
    return
  end
  local theirs = queue_keys(queue_key)
  if redis.call("ZREM", theirs.waiting_children, id) == 1 then
    release_parent(theirs, parent_key, id, now)
  end
end
