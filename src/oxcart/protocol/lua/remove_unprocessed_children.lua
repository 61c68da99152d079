-- Removes the children that a parent still waits for, with all below them; those that are locked or have failed stay.
--
-- Many take several calls.
--
-- keys: active marker meta events
-- args: prefix id budget
-- returns: {how many were removed, whether to call again}, or -1 no such job
-- include: is_job, place_of, tree_is_locked, remove_tree
local key = prefix .. id
if not is_job(key) then
  return -1
end
local removed = 0
local walk = { children = true, budget = tonumber(budget), seen = {} }
for _, reference in ipairs(redis.call("SMEMBERS", key .. ":dependencies")) do
  if walk.budget <= 0 then
    walk.more = true
  end
  if walk.more then
    break
  end
  local queue, child = place_of(reference)
  local stays = not queue or tree_is_locked(queue, child, true, {}) or redis.call("ZSCORE", queue .. "failed", child)
  if not stays and remove_tree(queue, child, walk) then
    removed = removed + 1
  end
end
return { removed, walk.more and 1 or 0 }
