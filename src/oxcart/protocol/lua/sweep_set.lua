-- Looks at some jobs of a sorted set, lowest score first, and erases those that are old enough.
--
-- `aged_by`: "score" when a job's score is its time; else fields, the first of which that a job has is its time. Then
-- `skip` is how many were looked at before, and stay, and a job that a scheduler waits for stays.
--
-- keys: holder active marker meta events
-- args: prefix skip count cutoff aged_by newest begun
-- returns: {how many were looked at, ids of the erased, how many are newer than the sweep, which stay too}
-- include: is_newer, scheduler_waits_for, erase, in_slices
local doomed, newer = {}, 0
local ids
if aged_by == "score" then
  ids = redis.call("ZRANGEBYSCORE", keys.holder, "-inf", cutoff, "LIMIT", 0, count)
  doomed = ids
else
  local fields = {}
  for field in string.gmatch(aged_by, "%a+") do
    fields[#fields + 1] = field
  end
  ids = redis.call("ZRANGE", keys.holder, skip, skip + count - 1)
  for _, id in ipairs(ids) do
    local found = redis.pcall("HMGET", prefix .. id, unpack(fields))
    local time = not found.err and tonumber(found[1] or found[2]) or 0
    if is_newer(id, found[#fields], { newest = newest, begun = begun }) then
      newer = newer + 1
    elseif time <= tonumber(cutoff) and not scheduler_waits_for(prefix, id) then
      doomed[#doomed + 1] = id
    end
  end
end
in_slices("ZREM", keys.holder, doomed)
erase(prefix, doomed, {})
return { #ids, doomed, newer }
