-- The id of a scheduler's run at a time: never with a fraction or an exponent.
local function run_id(scheduler, slot)
  return "repeat:" .. scheduler .. ":" .. string.format("%.0f", slot)
end
