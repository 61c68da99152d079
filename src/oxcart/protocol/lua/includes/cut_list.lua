-- Takes places out of a list, given from the right end (1 is the last), the nearest first; the others keep their order.
--
-- One pass over what lies to the right of the farthest, instead of one for each id.
local function cut_list(key, places)
  if #places == 0 then
    return
  end
  if places[#places] == #places then
    redis.call("LTRIM", key, 0, -1 - #places)
    return
  end
  for _, place in ipairs(places) do
    redis.call("LSET", key, -place, "0:removed")
  end
  redis.call("LREM", key, -#places, "0:removed")
end
