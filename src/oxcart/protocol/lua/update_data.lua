-- Replaces a job's data.
--
-- keys:
-- args: prefix id data
-- returns: 0, or -1 no such job
if redis.call("EXISTS", prefix .. id) == 0 then
  return -1
end
redis.call("HSET", prefix .. id, "data", data)
return 0
