-- Reads the ids and hashes of a range of one state. Lists run from their right end, sets from their lowest score.
--
-- `aside`: a list whose jobs come before those of `holder`, such as those that version 5 has put aside.
--
-- keys: holder aside
-- args: prefix start stop descending
-- returns: {id, hash or type, id, …}
-- include: ids_between
local found = {}
for _, id in ipairs(ids_between(keys.holder, keys.aside, start, stop, descending == "1")) do
  local hash = redis.pcall("HGETALL", prefix .. id)
  found[#found + 1] = id
  found[#found + 1] = hash.err and redis.call("TYPE", prefix .. id)["ok"] or hash
end
return found
