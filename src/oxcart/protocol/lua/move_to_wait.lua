-- Moves jobs of a set, oldest first, to the back of `wait`: failed or completed ones to run again, delayed ones now.
--
-- As in Node their priority does not count here. An id without a job is dropped: nobody could run it.
--
-- keys: holder wait active marker meta events
-- args: prefix state count latest
-- returns: {how many were moved, how many were dropped}
-- include: read_meta, start_over, emit, in_slices, wake
local ids = redis.call("ZRANGEBYSCORE", keys.holder, "-inf", latest, "LIMIT", 0, count)
if #ids == 0 then
  return { 0, 0 }
end
local moved = {}
for _, id in ipairs(ids) do
  local key = prefix .. id
  if redis.call("EXISTS", key) == 1 then
    if state == "delayed" then
      redis.call("HSET", key, "delay", 0)
    else
      start_over(key, state)
    end
    emit(keys, "waiting", "jobId", id, "prev", state)
    moved[#moved + 1] = id
  end
end
in_slices("ZREM", keys.holder, ids)
in_slices("LPUSH", keys.wait, moved)
local meta = read_meta(keys)
redis.call("XTRIM", keys.events, "MAXLEN", "~", meta.max_len)
if #moved > 0 then
  wake(keys, meta)
end
return { #moved, #ids - #moved }
