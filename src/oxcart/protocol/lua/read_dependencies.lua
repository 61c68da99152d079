-- Reads some of a parent's children of one kind.
--
-- keys:
-- args: prefix id kind cursor count
-- returns: {where to go on or "0", what was found: for processed and failed pairs of reference and value, else references}
local key = prefix .. id .. ":" .. kind
if kind == "dependencies" then
  return redis.call("SSCAN", key, cursor, "COUNT", count)
elseif kind == "unsuccessful" then
  local found = redis.call("ZRANGE", key, cursor, cursor + count - 1)
  local next_cursor = #found < tonumber(count) and "0" or string.format("%.0f", cursor + count)
  return { next_cursor, found }
end
return redis.call("HSCAN", key, cursor, "COUNT", count)
