-- Takes a job that no worker has taken yet out of the key that holds it.
local function leave_before(keys, state, id)
  if state == "delayed" or state == "prioritized" then
    redis.call("ZREM", keys[state], id)
  else
    redis.call("LREM", keys[state], 1, id)
  end
end
