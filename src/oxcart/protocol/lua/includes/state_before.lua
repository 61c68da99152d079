-- Which key holds a job that no worker has taken yet; nil if none does, or if one has: it may be between two attempts.
local function state_before(keys, prefix, id)
  if redis.call("HEXISTS", prefix .. id, "ats") == 1 then
    return nil
  end
  for _, name in ipairs({ "delayed", "prioritized" }) do
    if redis.call("ZSCORE", keys[name], id) then
      return name
    end
  end
  for _, name in ipairs({ "wait", "paused" }) do
    if redis.call("LPOS", keys[name], id) then
      return name
    end
  end
end
