-- Reads a range of one list or of several, one behind the other. Each is read from its right end, where jobs are next.
local function read_list(lists, start, stop, backwards)
  local total, lengths = 0, {}
  for at, key in ipairs(lists) do
    lengths[at] = redis.call("LLEN", key)
    total = total + lengths[at]
  end
  start = start < 0 and math.max(total + start, 0) or start
  stop = math.min(stop < 0 and total + stop or stop, total - 1)
  if backwards then
    start, stop = total - 1 - stop, total - 1 - start
  end
  local ids, before = {}, 0
  for at, key in ipairs(lists) do
    local first, last = math.max(start - before, 0), math.min(stop - before, lengths[at] - 1)
    if first <= last then
      local some = redis.call("LRANGE", key, -1 - last, -1 - first)
      for place = #some, 1, -1 do
        ids[#ids + 1] = some[place]
      end
    end
    before = before + lengths[at]
  end
  if backwards then
    local turned = {}
    for at = #ids, 1, -1 do
      turned[#turned + 1] = ids[at]
    end
    return turned
  end
  return ids
end
