-- Removes a job, with `walk.children` all that its parent knows of first, wherever they are; answers whether there was one.
--
-- `walk.budget` says how much may be done: when it is used up, what is left of the tree stays as it is, with `walk.more`.
-- Whatever is damaged beside a job goes with it, and stops nothing.
--
-- include: is_job, looks_like_job, place_of, children_of, detach, leave_state, disown_dedup, read_meta, queue_keys, emit
local function remove_tree(prefix, id, walk)
  local key = prefix .. id
  if walk.seen[key] then
    return false
  end
  walk.seen[key] = true
  if is_job(key) then
    pcall(detach, prefix, id, false)
    local _, references = pcall(children_of, key)
    for _, reference in ipairs(walk.children and type(references) == "table" and references or {}) do
      if walk.budget <= 0 then
        walk.more = true
        return false
      end
      local queue, child = place_of(reference)
      if queue then
        remove_tree(queue, child, walk)
      end
      if not walk.more then
        -- Not to be looked at again by the next call.
        redis.pcall("HDEL", key .. ":processed", reference)
        redis.pcall("HDEL", key .. ":failed", reference)
        redis.pcall("ZREM", key .. ":unsuccessful", reference)
      end
    end
    if walk.more then
      return false
    end
  end
  local state, looked = leave_state(prefix, id)
  walk.budget = walk.budget - 1 - looked / 1000
  if state == "unknown" and not looks_like_job(key) then
    return false
  end
  pcall(disown_dedup, prefix, id)
  redis.call(
    "DEL", key, key .. ":logs", key .. ":dependencies", key .. ":processed", key .. ":failed", key .. ":unsuccessful"
  )
  local theirs = queue_keys(string.sub(prefix, 1, -2))
  emit(theirs, "removed", "jobId", id, "prev", state)
  redis.call("XTRIM", theirs.events, "MAXLEN", "~", read_meta(theirs).max_len)
  return true
end
