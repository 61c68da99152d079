-- Reads log lines of a job, oldest first, until `budget` bytes were read; but one line at least.
--
-- With `newest`, it is the last of them that are read. Of a line no more than `most` bytes are. A negative start counts
-- from the end.
--
-- keys:
-- args: prefix id start count most budget newest
-- returns: {how many lines there are in all, the place of the first that was read, lines …}
local key = prefix .. id .. ":logs"
local total, first, left = redis.call("LLEN", key), tonumber(start), tonumber(budget)
if first < 0 then
  first = math.max(total + first, 0)
end
local stop = math.min(first + count, total) - 1
local found, at = {}, newest == "1" and stop or first
while at >= first and at <= stop and (left > 0 or #found == 0) do
  local line = string.sub(redis.call("LINDEX", key, at), 1, most)
  left = left - #line
  found[#found + 1] = line
  at = at + (newest == "1" and -1 or 1)
end
if newest ~= "1" then
  return { total, first, unpack(found) }
end
local lines = { total, at + 1 }
for place = #found, 1, -1 do
  lines[#lines + 1] = found[place]
end
return lines
