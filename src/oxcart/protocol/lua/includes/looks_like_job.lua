-- Whether a hash that no state holds has what only jobs have. Other keys may happen to begin as ours do.
--
-- include: is_job
local function looks_like_job(key)
  if not is_job(key) then
    return false
  end
  for _, field in ipairs({ "opts", "ats", "processedOn", "finishedOn" }) do
    if redis.call("HEXISTS", key, field) == 1 then
      return true
    end
  end
  return redis.call("HEXISTS", key, "timestamp") == 1 and redis.call("HEXISTS", key, "data") == 1
end
