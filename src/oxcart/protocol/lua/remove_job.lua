-- Removes a job from whatever state it is in, with `children` also its children, however deep.
--
-- keys: active marker meta events
-- args: prefix id children
-- returns: 1 removed, 0 there was none, or -8 a scheduler waits for it, -21 it or a child it waits for is locked
-- include: scheduler_waits_for, tree_is_locked, remove_tree
if scheduler_waits_for(prefix, id) then
  return -8
end
if tree_is_locked(prefix, id, children == "1", {}) then
  return -21
end
return remove_tree(prefix, id, children == "1", {}) and 1 or 0
