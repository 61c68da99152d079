-- Removes a job from whatever state it is in, with `children` also its children, however deep.
--
-- A large tree takes several calls, from the leaves up; `going_on` says that this is not the first.
--
-- keys: active marker meta events
-- args: prefix id children budget going_on
-- returns: 1 removed, 0 there was none, 2 call again, or -8 a scheduler waits for it, -21 it or a child it waits for is locked
-- include: scheduler_waits_for, tree_is_locked, remove_tree
if redis.call("ZSCORE", prefix .. "repeat", string.match(id, "^repeat:(.*)$") or "") then
  return 0 -- a scheduler's own key
end
if scheduler_waits_for(prefix, id) then
  return -8
end
if going_on == "0" and tree_is_locked(prefix, id, children == "1", {}) then
  return -21
end
local walk = { children = children == "1", budget = tonumber(budget), seen = {} }
local removed = remove_tree(prefix, id, walk)
return walk.more and 2 or removed and 1 or 0
