-- Looks at some jobs of a list, from the end that is next, and erases those that are old enough.
--
-- `skip`: how many at that end were looked at before, and stay. A job that a scheduler waits for stays. With `unlocked`
-- a job that somebody works on stays. `newest` is the counter of ids when the sweep began, or empty: what was added
-- later stays.
--
-- keys: holder active marker meta events
-- args: prefix skip count cutoff unlocked newest begun
-- returns: {how many were looked at, ids of the erased, how many are newer than the sweep}
-- include: is_newer, scheduler_waits_for, erase, cut_list
skip, count, cutoff = tonumber(skip), tonumber(count), tonumber(cutoff)
local ids = redis.call("LRANGE", keys.holder, -(skip + count), -(skip + 1))
local doomed, places, newer = {}, {}, 0
for at = #ids, 1, -1 do
  local id = ids[at]
  local found = redis.pcall("HMGET", prefix .. id, "finishedOn", "processedOn", "timestamp")
  local time = not found.err and tonumber(found[1] or found[2] or found[3]) or 0
  local busy = unlocked == "1" and redis.call("EXISTS", prefix .. id .. ":lock") == 1
  if is_newer(id, found[3], { newest = newest, begun = begun }) then
    newer = newer + 1
  elseif time <= cutoff and not busy and not scheduler_waits_for(prefix, id) then
    table.insert(doomed, 1, id)
    places[#places + 1] = skip + #ids - at + 1
  end
end
cut_list(keys.holder, places)
erase(prefix, doomed, {})
return { #ids, doomed, newer }
