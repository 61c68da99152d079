-- Frees a deduplication id: whoever adds with it next is the first. With `owner`, only if that job holds it.
--
-- keys:
-- args: prefix dedup_id owner
-- returns: 1 if it was taken, else 0
local key = prefix .. "de:" .. dedup_id
if owner ~= "" and redis.call("GET", key) ~= owner then
  return 0
end
return redis.call("DEL", key)
