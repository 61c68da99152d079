-- The id of a scheduler's run at a time: never with a fraction or an exponent.
local function run_id(scheduler, slot)
  return string.format("repeat:%s:%.0f", scheduler, slot)
end
