-- Tells a parent that this child has failed for good, and does what the child's policy says.
--
-- Without a policy the child stays among the parent's dependencies: retrying it later can still release the parent.
--
-- include: queue_keys, release_parent, fail_parent, parent_of
local function child_failed(child_key, parent_key, parent_json, reason, now)
  local queue_key, id, policy = parent_of(parent_key, parent_json)
  local dependencies = parent_key .. ":dependencies"
  if not (policy.fpof or policy.cpof or policy.idof or policy.rdof) then
    return
  end
  if redis.call("SREM", dependencies, child_key) == 0 then
    return
  end
  if policy.fpof then
    redis.call("ZADD", parent_key .. ":unsuccessful", string.format("%.0f", now), child_key)
    fail_parent(queue_key, parent_key, id, child_key, now)
    return
  end
  if policy.cpof or policy.idof then
    redis.call("HSET", parent_key .. ":failed", child_key, reason)
  end
  local free = policy.cpof or redis.call("EXISTS", dependencies) == 0
  if free and redis.call("EXISTS", parent_key) == 1 then
    local theirs = queue_keys(queue_key)
    if redis.call("ZREM", theirs.waiting_children, id) == 1 then
      release_parent(theirs, parent_key, id, now)
    end
  end
end
