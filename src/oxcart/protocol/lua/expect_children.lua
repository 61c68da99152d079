-- Makes a parent wait for children that are about to be added.
--
-- keys:
-- args: parent_key *children
-- returns: 0, or -5 it does not exist
-- include: in_slices
if redis.call("EXISTS", parent_key) == 0 then
  return -5
end
in_slices("SADD", parent_key .. ":dependencies", { unpack(ARGV, children_at) })
return 0
