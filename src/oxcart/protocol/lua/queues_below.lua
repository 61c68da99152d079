-- Tells in which queues the children of a job are, however deep: all of which `remove_job` would remove.
--
-- keys:
-- args: prefix id most
-- returns: {1 if it looked at `most` jobs and there are more, else 0, what the keys of each queue start with, …}
-- include: children_of, place_of
local looked, found, queues, seen = 0, { 0 }, {}, { [prefix .. id] = true }
local left = { { prefix, id } }
while #left > 0 and looked + #left <= tonumber(most) do
  local place = table.remove(left)
  looked = looked + 1
  local _, references = pcall(children_of, place[1] .. place[2])
  for _, reference in ipairs(type(references) == "table" and references or {}) do
    local queue, child = place_of(reference)
    if queue and not seen[queue .. child] then
      seen[queue .. child] = true
      left[#left + 1] = { queue, child }
      if not queues[queue] then
        queues[queue] = true
        found[#found + 1] = queue
      end
    end
  end
end
found[1] = #left > 0 and 1 or 0
return found
