-- Whether a job is locked, or with `children` one of those it still waits for, however deep.
--
-- include: place_of
local function tree_is_locked(prefix, id, children, seen)
  local key = prefix .. id
  if seen[key] then
    return false
  end
  seen[key] = true
  if redis.call("EXISTS", key .. ":lock") == 1 then
    return true
  end
  if children then
    local pending = redis.pcall("SMEMBERS", key .. ":dependencies")
    for _, reference in ipairs(pending.err and {} or pending) do
      local queue, child = place_of(reference)
      if queue and tree_is_locked(queue, child, true, seen) then
        return true
      end
    end
  end
  return false
end
