-- Reads those of these jobs that are still in a state; of a list that is not asked, since looking takes long there.
--
-- keys: holder
-- args: prefix *ids
-- returns: {id, hash or type, id, …}
local sorted = redis.call("TYPE", keys.holder)["ok"] == "zset"
local found = {}
for at = ids_at, #ARGV do
  local id = ARGV[at]
  if not sorted or redis.call("ZSCORE", keys.holder, id) then
    local hash = redis.pcall("HGETALL", prefix .. id)
    found[#found + 1] = id
    found[#found + 1] = hash.err and redis.call("TYPE", prefix .. id)["ok"] or hash
  end
end
return found
