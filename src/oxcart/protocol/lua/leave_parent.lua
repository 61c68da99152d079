-- Takes a job from its parent, which waits for it no more.
--
-- keys: active marker meta events
-- args: prefix id
-- returns: 1 if the parent waited for it, 0 if not, or -1 no such job, -5 the parent does not exist
-- include: detach
local key = prefix .. id
if redis.call("EXISTS", key) == 0 then
  return -1
end
local parent_key = redis.call("HGET", key, "parentKey")
if not parent_key or redis.call("EXISTS", parent_key) == 0 then
  return -5
end
if redis.call("SISMEMBER", parent_key .. ":dependencies", key) == 0 then
  return 0
end
detach(prefix, id, false)
redis.call("HDEL", key, "parentKey", "parent")
return 1
