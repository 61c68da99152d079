-- Deletes finished jobs that are too old or too many: first by age, then by count.
--
-- `keep` is "count:age_ms:limit", each part empty if not given. With an age, the newest expired go first and at most
-- `limit` (1,000) of them, as in Node. `forget` deletes them: `forget_jobs` or, if they have failed, `forget_failed`.
--
-- include: in_slices
local function retain(target, prefix, keep, now, forget)
  local count, age_ms, limit = string.match(keep, "^(%d*):(%d*):(%d*)$")
  if not count then
    return
  end
  if age_ms ~= "" then
    local oldest = string.format("%.0f", now - tonumber(age_ms))
    local most = tonumber(limit) or 1000
    local expired = redis.call("ZREVRANGEBYSCORE", target, oldest, "-inf", "LIMIT", 0, most)
    if #expired > 0 then
      forget(prefix, expired)
      in_slices("ZREM", target, expired)
    end
  end
  if count ~= "" then
    local surplus = redis.call("ZRANGE", target, 0, -tonumber(count) - 1)
    if #surplus > 0 then
      forget(prefix, surplus)
      redis.call("ZREMRANGEBYRANK", target, 0, -tonumber(count) - 1)
    end
  end
end
