-- Gives a job that exists already to a parent, which waits for it unless it is completed, or has failed without harm.
--
-- include: parent_of, release_if_done
local function adopt(prefix, id, parent_key, parent_json)
  local key = prefix .. id
  redis.call("HSET", key, "parentKey", parent_key, "parent", parent_json)
  if redis.call("ZSCORE", prefix .. "completed", id) then
    redis.call("SREM", parent_key .. ":dependencies", key)
    redis.call("HSET", parent_key .. ":processed", key, redis.call("HGET", key, "returnvalue") or "null")
    return
  end
  local _, _, policy = parent_of(parent_key, parent_json)
  if (policy.idof or policy.rdof) and redis.call("ZSCORE", prefix .. "failed", id) then
    redis.call("SREM", parent_key .. ":dependencies", key)
    if policy.idof then
      redis.call("HSET", parent_key .. ":failed", key, redis.call("HGET", key, "failedReason") or "")
    end
  else
    redis.call("SADD", parent_key .. ":dependencies", key)
  end
end
