-- Whether an attempt may be settled: 0, or the negative code why not. Reads what its settling needs.
local function judge_attempt(keys, attempt, lock, guarded)
  local found = redis.pcall("HMGET", attempt.key, "name", "parentKey", "parent", "deid", "atm", "priority")
  if found.err or not (found[1] or redis.call("EXISTS", attempt.key) == 1) then
    return -1
  end
  attempt.parent_key, attempt.parent, attempt.dedup_id = found[2], found[3], found[4]
  attempt.made, attempt.priority = tonumber(found[5]) or 0, tonumber(found[6]) or 0
  if guarded and attempt.outcome == "completed" then
    if redis.call("EXISTS", attempt.key .. ":dependencies") == 1 then
      return -4
    end
    if redis.call("EXISTS", attempt.key .. ":unsuccessful") == 1 then
      return -9
    end
  end
  if lock == attempt.token then
    return 0
  end
  if lock then
    return -6
  end
  if attempt.again and redis.call("LPOS", keys.active, attempt.id) then
    return 0
  end
  return -2
end
