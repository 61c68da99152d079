-- Adds a line to a job's log and keeps the newest `keep` (0: all).
--
-- keys:
-- args: prefix id line keep
-- returns: how many lines there are now, or -1 no such job
if redis.call("EXISTS", prefix .. id) == 0 then
  return -1
end
local key = prefix .. id .. ":logs"
local length = redis.call("RPUSH", key, line)
keep = tonumber(keep)
if keep > 0 then
  redis.call("LTRIM", key, -keep, -1)
  return math.min(length, keep)
end
return length
