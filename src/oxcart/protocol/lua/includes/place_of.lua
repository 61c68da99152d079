-- Splits a reference to a job into what its queue's keys start with, and its id; nothing if it is no reference.
--
-- The id is what stands after the last colon; an id of three parts, which is legal, shows by the hash that is there.
local function place_of(reference)
  local queue, id = string.match(reference, "^(.*:)([^:]*)$")
  local other_queue, other_id = string.match(reference, "^(.*:)([^:]*:[^:]*:[^:]*)$")
  if other_queue and redis.call("EXISTS", other_queue .. "meta") == 1 and redis.call("EXISTS", queue .. "meta") == 0 then
    return other_queue, other_id
  end
  return queue, id
end
