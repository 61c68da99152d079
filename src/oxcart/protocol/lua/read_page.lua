-- Reads the ids and hashes of a range of one state. Lists run from their right end, sets from their lowest score.
--
-- keys: holder
-- args: prefix start stop descending
-- returns: {id, hash or type, id, …}
local ids
local kind = redis.call("TYPE", keys.holder)["ok"]
if kind == "list" then
  start, stop = tonumber(start), tonumber(stop)
  if descending == "1" then
    ids = redis.call("LRANGE", keys.holder, start, stop)
  else
    local mirrored = redis.call("LRANGE", keys.holder, 0 - (stop + 1), 0 - (start + 1)) -- not minus zero
    ids = {}
    for at = #mirrored, 1, -1 do
      ids[#ids + 1] = mirrored[at]
    end
  end
elseif kind == "zset" then
  ids = redis.call(descending == "1" and "ZREVRANGE" or "ZRANGE", keys.holder, start, stop)
else
  ids = {}
end
local found = {}
for _, id in ipairs(ids) do
  local hash = redis.pcall("HGETALL", prefix .. id)
  found[#found + 1] = id
  found[#found + 1] = hash.err and redis.call("TYPE", prefix .. id)["ok"] or hash
end
return found
