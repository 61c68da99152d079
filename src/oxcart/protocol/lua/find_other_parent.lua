-- Looks for a job that is a child of another parent than the one it shall get.
--
-- keys:
-- args: *pairs
-- returns: the position of the first pair of job key and parent key where that is so, or 0
-- include: has_other_parent
for at = pairs_at, #ARGV, 2 do
  if has_other_parent(ARGV[at], ARGV[at + 1]) then
    return (at - pairs_at) / 2 + 1
  end
end
return 0
