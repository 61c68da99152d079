-- Removes a job, with `children` all that its parent knows of too, wherever they are; answers whether there was one.
--
-- include: place_of, children_of, detach, leave_state, disown_dedup, read_meta, queue_keys, emit
local function remove_tree(prefix, id, children, seen)
  local key = prefix .. id
  if seen[key] then
    return false
  end
  seen[key] = true
  detach(prefix, id, false)
  if children then
    for _, reference in ipairs(children_of(key)) do
      local queue, child = place_of(reference)
      remove_tree(queue, child, true, seen)
    end
  end
  local state = leave_state(prefix, id)
  disown_dedup(prefix, id)
  local gone = redis.call(
    "DEL", key, key .. ":logs", key .. ":dependencies", key .. ":processed", key .. ":failed", key .. ":unsuccessful"
  )
  if gone == 0 then
    return state ~= "unknown"
  end
  local theirs = queue_keys(string.sub(prefix, 1, -2))
  emit(theirs, "removed", "jobId", id, "prev", state)
  redis.call("XTRIM", theirs.events, "MAXLEN", "~", read_meta(theirs).max_len)
  return true
end
