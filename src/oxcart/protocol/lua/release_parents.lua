-- Lets those of these parents go on that wait for nothing any more.
--
-- keys: wait active prioritized pc delayed marker meta events
-- args: now *parents
-- returns: nothing
-- include: parent_of, release_if_done
for at = parents_at, #ARGV do
  local queue_key, id = parent_of(ARGV[at])
  release_if_done(ARGV[at], queue_key, id, tonumber(now))
end
