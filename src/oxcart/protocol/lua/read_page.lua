-- Reads the ids and hashes of a range of one state. Lists run from their right end, sets from their lowest score.
--
-- `aside`: a list whose jobs come before those of `holder`, such as those that version 5 has put aside.
--
-- keys: holder aside
-- args: prefix start stop descending
-- returns: {id, hash or type, id, …}
-- include: read_list
local ids = {}
local kind = redis.call("TYPE", keys.holder)["ok"]
if kind == "zset" then
  ids = redis.call(descending == "1" and "ZREVRANGE" or "ZRANGE", keys.holder, start, stop)
elseif kind == "list" or redis.call("TYPE", keys.aside)["ok"] == "list" then
  local lists = keys.aside == keys.holder and { keys.holder } or { keys.aside, keys.holder }
  ids = read_list(lists, tonumber(start), tonumber(stop), descending == "1")
end
local found = {}
for _, id in ipairs(ids) do
  local hash = redis.pcall("HGETALL", prefix .. id)
  found[#found + 1] = id
  found[#found + 1] = hash.err and redis.call("TYPE", prefix .. id)["ok"] or hash
end
return found
