-- Counts a parent's children.
--
-- keys:
-- args: prefix id
-- returns: {completed, not done, failed and ignored, failed and failing the parent}
local key = prefix .. id
return {
  redis.call("HLEN", key .. ":processed"), redis.call("SCARD", key .. ":dependencies"),
  redis.call("HLEN", key .. ":failed"), redis.call("ZCARD", key .. ":unsuccessful"),
}
