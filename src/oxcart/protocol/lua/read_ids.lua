-- Reads ids of one state, next to run or oldest first. `aside`: as in `read_page`.
--
-- keys: holder aside
-- args: start stop
-- returns: ids
-- include: read_list
if redis.call("TYPE", keys.holder)["ok"] == "zset" then
  return redis.call("ZRANGE", keys.holder, start, stop)
end
local lists = keys.aside == keys.holder and { keys.holder } or { keys.aside, keys.holder }
return read_list(lists, tonumber(start), tonumber(stop), false)
