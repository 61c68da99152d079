-- Moves jobs of a set, oldest first, to the back of `wait`: failed or completed ones to run again, delayed ones now.
--
-- As in Node their priority does not count here. An id without a job is dropped: nobody could run it. One whose key is
-- something else stays; `skip` says how many at the beginning do.
--
-- keys: holder wait active marker meta events
-- args: prefix state skip count latest
-- returns: {how many were moved, how many were dropped, how many stay}
-- include: read_meta, is_job, start_over, emit, in_slices, wake
local ids = redis.call("ZRANGEBYSCORE", keys.holder, "-inf", latest, "LIMIT", skip, count)
local moved, leaving = {}, {}
for _, id in ipairs(ids) do
  local key = prefix .. id
  if is_job(key) then
    if state == "delayed" then
      redis.call("HSET", key, "delay", 0)
    else
      pcall(start_over, key, state) -- what is wrong with its parent must not keep it
    end
    emit(keys, "waiting", "jobId", id, "prev", state)
    moved[#moved + 1] = id
    leaving[#leaving + 1] = id
  elseif redis.call("EXISTS", key) == 0 then
    leaving[#leaving + 1] = id
  end
end
if #leaving > 0 then
  in_slices("ZREM", keys.holder, leaving)
end
if #moved > 0 then
  in_slices("LPUSH", keys.wait, moved)
  local meta = read_meta(keys)
  redis.call("XTRIM", keys.events, "MAXLEN", "~", meta.max_len)
  wake(keys, meta)
end
return { #moved, #leaving - #moved, #ids - #leaving }
