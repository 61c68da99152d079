-- Gives a job that exists already to a parent, which waits for it unless it has ended: then it is told how.
--
-- One that has nothing left to wait for is not let go here, since more children may follow; but one that goes on at the
-- first failure is, by a child that has failed.
--
-- include: parent_of, child_failed
local function adopt(prefix, id, parent_key, parent_json, now)
  local key = prefix .. id
  local dependencies = parent_key .. ":dependencies"
  redis.call("HSET", key, "parentKey", parent_key, "parent", parent_json)
  if redis.call("ZSCORE", prefix .. "completed", id) then
    redis.call("SREM", dependencies, key)
    redis.call("HSET", parent_key .. ":processed", key, redis.call("HGET", key, "returnvalue") or "null")
    return
  end
  redis.call("SADD", dependencies, key)
  if not redis.call("ZSCORE", prefix .. "failed", id) then
    return
  end
  local _, _, policy = parent_of(parent_key, parent_json)
  local reason = redis.call("HGET", key, "failedReason") or ""
  if policy.fpof or policy.cpof then
    child_failed(key, parent_key, parent_json, reason, now)
  elseif policy.idof or policy.rdof then
    redis.call("SREM", dependencies, key)
    if policy.idof then
      redis.call("HSET", parent_key .. ":failed", key, reason)
    end
  end
end
