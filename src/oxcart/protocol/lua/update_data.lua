-- Replaces a job's data.
--
-- keys:
-- args: prefix id data
-- returns: 0, or -1 no such job
-- include: is_job
if not is_job(prefix .. id) then
  return -1
end
redis.call("HSET", prefix .. id, "data", data)
return 0
