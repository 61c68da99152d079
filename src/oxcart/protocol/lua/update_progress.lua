-- Stores a job's progress and tells it.
--
-- keys: meta events
-- args: prefix id progress
-- returns: 0, or -1 no such job
-- include: read_meta, emit
if redis.call("EXISTS", prefix .. id) == 0 then
  return -1
end
redis.call("HSET", prefix .. id, "progress", progress)
emit(keys, "progress", "jobId", id, "data", progress)
redis.call("XTRIM", keys.events, "MAXLEN", "~", read_meta(keys).max_len)
return 0
