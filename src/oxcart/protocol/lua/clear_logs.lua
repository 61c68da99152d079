-- Deletes a job's log, but for its newest `keep` lines.
--
-- keys:
-- args: prefix id keep
-- returns: nothing
local key = prefix .. id .. ":logs"
if tonumber(keep) > 0 then
  redis.call("LTRIM", key, -tonumber(keep), -1)
else
  redis.call("DEL", key)
end
