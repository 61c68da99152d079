-- Reads jobs by id.
--
-- keys:
-- args: prefix *ids
-- returns: for each id its hash, empty if there is none, or the type of its key if that is no hash
local found = {}
for at = ids_at, #ARGV do
  local hash = redis.pcall("HGETALL", prefix .. ARGV[at])
  found[#found + 1] = hash.err and redis.call("TYPE", prefix .. ARGV[at])["ok"] or hash
end
return found
