-- Writes an event that a program tells by itself. The stream keeps the length that it has for the queue's own events.
--
-- keys: meta events
-- args: kind *fields
-- returns: the event's id
-- include: read_meta
local id = redis.call("XADD", keys.events, "*", "event", kind, unpack(ARGV, fields_at))
redis.call("XTRIM", keys.events, "MAXLEN", "~", read_meta(keys).max_len)
return id
