-- Tells a parent that this child is completed, and lets it go on after its last one.
--
-- include: queue_keys, release_parent, parent_of
local function child_done(child_key, parent_key, parent_json, value, now)
  if redis.call("SREM", parent_key .. ":dependencies", child_key) == 0 then
    return
  end
  redis.call("HSET", parent_key .. ":processed", child_key, value)
  local queue_key, id = parent_of(parent_key, parent_json)
  if redis.call("EXISTS", parent_key .. ":dependencies") == 0 and redis.call("EXISTS", parent_key) == 1 then
    local keys = queue_keys(queue_key)
    if redis.call("ZREM", keys.waiting_children, id) == 1 then
      release_parent(keys, parent_key, id, now)
    end
  end
end
