-- Stores the result of a step of a job, unless there is one; answers the one that counts.
--
-- keys:
-- args: prefix id field value
-- returns: the stored value, or -1 no such job
local key = prefix .. id
if redis.call("EXISTS", key) == 0 then
  return -1
end
redis.call("HSETNX", key, field, value)
return redis.call("HGET", key, field)
