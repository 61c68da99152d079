-- Removes the children that a parent still waits for, with all below them; those that are locked or have failed stay.
--
-- keys: active marker meta events
-- args: prefix id
-- returns: how many were removed, or -1 no such job
-- include: place_of, tree_is_locked, remove_tree
local key = prefix .. id
if redis.call("EXISTS", key) == 0 then
  return -1
end
local removed, seen = 0, {}
for _, reference in ipairs(redis.call("SMEMBERS", key .. ":dependencies")) do
  local queue, child = place_of(reference)
  local stays = tree_is_locked(queue, child, true, {}) or redis.call("ZSCORE", queue .. "failed", child)
  if not stays and remove_tree(queue, child, true, seen) then
    removed = removed + 1
  end
end
return removed
