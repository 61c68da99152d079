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
    for _, reference in ipairs(redis.call("SMEMBERS", key .. ":dependencies")) do
      local queue, child = place_of(reference)
      if tree_is_locked(queue, child, true, seen) then
        return true
      end
    end
  end
  return false
end
