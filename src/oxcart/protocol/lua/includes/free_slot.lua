-- The first time from `slot` on for which no job is there yet; or nil and why: -10 the time of a pattern is taken, of
-- which only the caller knows the next, -11 so are an interval's next 32.
--
-- include: run_id
local function free_slot(prefix, scheduler, slot, interval)
  for _ = 1, 33 do
    if redis.call("EXISTS", prefix .. run_id(scheduler, slot)) == 0 then
      return slot
    elseif not interval then
      return nil, -10
    end
    slot = math.floor(slot + interval)
  end
  return nil, -11
end
