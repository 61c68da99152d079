-- Gives a job that exists already to a parent, which waits for it unless it is completed.
--
-- include: parent_of, release_if_done
local function adopt(prefix, id, parent_key, parent_json)
  local key = prefix .. id
  redis.call("HSET", key, "parentKey", parent_key, "parent", parent_json)
  if redis.call("ZSCORE", prefix .. "completed", id) then
    redis.call("SREM", parent_key .. ":dependencies", key)
    redis.call("HSET", parent_key .. ":processed", key, redis.call("HGET", key, "returnvalue") or "null")
  else
    redis.call("SADD", parent_key .. ":dependencies", key)
  end
end
