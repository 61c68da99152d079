-- Lets workers take jobs again.
--
-- Jobs that version 5 put aside in `paused` come first: they go to the end of `wait` that is next, some at a time. The
-- queue is open when the last of them is there, so that a resume that was cut off can be done again.
--
-- keys: wait paused active prioritized delayed marker meta events
-- args: count
-- returns: how many jobs are still aside
-- include: read_meta, remains, wake, mark_delayed, emit, in_slices
local aside = redis.call("LRANGE", keys.paused, 0, count - 1)
if #aside > 0 then
  in_slices("RPUSH", keys.wait, aside)
  redis.call("LTRIM", keys.paused, #aside, -1)
  local left = redis.call("LLEN", keys.paused)
  if left > 0 then
    return left
  end
end
redis.call("HDEL", keys.meta, "paused")
if remains(keys) > 0 then
  wake(keys, read_meta(keys))
else
  mark_delayed(keys)
end
emit(keys, "resumed")
return 0
