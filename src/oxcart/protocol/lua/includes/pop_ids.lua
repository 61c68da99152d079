-- Takes up to `count` ids from the front of the queue: first those that wait, then by priority. Answers them, and the
-- scores of those that had one.
local function pop_ids(keys, count)
  local ids, scores = {}, {}
  local markers
  repeat
    markers = false
    for _, id in ipairs(redis.call("RPOP", keys.wait, count - #ids) or {}) do
      -- Ids that start with "0:" are markers of old versions, no jobs.
      if string.sub(id, 1, 2) == "0:" then
        markers = true
      else
        ids[#ids + 1] = id
      end
    end
  until not markers
  if #ids < count then
    local found = redis.call("ZPOPMIN", keys.prioritized, count - #ids)
    for at = 1, #found, 2 do
      ids[#ids + 1] = found[at]
      scores[found[at]] = found[at + 1]
    end
    if #found == 0 then
      redis.call("DEL", keys.pc)
    end
  end
  return ids, scores
end
