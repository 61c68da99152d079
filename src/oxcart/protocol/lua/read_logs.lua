-- Reads log lines of a job, oldest first, and how many there are in all.
--
-- keys:
-- args: prefix id start stop
-- returns: {lines, count}
local key = prefix .. id .. ":logs"
return { redis.call("LRANGE", key, start, stop), redis.call("LLEN", key) }
