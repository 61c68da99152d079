-- Writes an event to the queue's stream.
local function emit(keys, event, ...)
  redis.call("XADD", keys.events, "*", "event", event, ...)
end
