-- The time of an interval's next run after `slot`, or of its first, and by how much its grid is off full multiples.
--
-- Runs that were missed are passed over: the next one is on the grid again, and not yet due.
local function next_slot(slot, every, now, offset, start)
  local found
  if slot and slot + every >= now then
    found = slot + every
  elseif slot or (offset > 0 and not start) then
    found = math.floor(now / every) * every + offset
    if found <= now then
      found = found + every
    end
  else
    found = math.max(start or now, now)
  end
  local phase = offset ~= 0 and offset or found - math.floor(found / every) * every
  return math.floor(found), math.floor(phase)
end
