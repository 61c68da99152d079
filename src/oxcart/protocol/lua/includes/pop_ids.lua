-- Takes up to `count` ids from the front of the queue: first those that wait, then by priority.
local function pop_ids(keys, count)
  local ids = {}
  -- Ids that start with "0:" are markers of old versions, no jobs.
  for _, id in ipairs(redis.call("RPOP", keys.wait, count) or {}) do
    if string.sub(id, 1, 2) ~= "0:" then
      ids[#ids + 1] = id
    end
  end
  if #ids < count then
    local found = redis.call("ZPOPMIN", keys.prioritized, count - #ids)
    for at = 1, #found, 2 do
      ids[#ids + 1] = found[at]
    end
    if #found == 0 then
      redis.call("DEL", keys.pc)
    end
  end
  return ids
end
