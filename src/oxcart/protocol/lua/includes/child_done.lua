-- Tells a parent that this child is completed, and lets it go on after its last one.
--
-- include: parent_of, release_if_done
local function child_done(child_key, parent_key, parent_json, value, now)
  if redis.call("SREM", parent_key .. ":dependencies", child_key) == 0 then
    return
  end
  redis.call("HSET", parent_key .. ":processed", child_key, value)
  local queue_key, id = parent_of(parent_key, parent_json)
  release_if_done(parent_key, queue_key, id, now)
end
