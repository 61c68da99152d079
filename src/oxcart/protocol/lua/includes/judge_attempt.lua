-- Whether an attempt may be settled: 0, or the negative code why not. Reads what its settling needs.
local function judge_attempt(keys, attempt, lock, guarded)
  local found = redis.pcall("HMGET", attempt.key, "priority", "parentKey", "deid", "atm")
  if found.err or not (found[1] or redis.call("EXISTS", attempt.key) == 1) then
    return -1
  end
  attempt.parent_key, attempt.dedup_id = found[2], found[3]
  if found[4] then
    attempt.made = tonumber(found[4]) or 0
  end
  if found[1] ~= "0" then
    attempt.priority = tonumber(found[1]) or 0
  end
  if guarded and (attempt.outcome == "completed" or attempt.outcome == "children") then
    if attempt.outcome == "completed" and redis.call("EXISTS", attempt.key .. ":dependencies") == 1 then
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
