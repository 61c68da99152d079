-- Frees the deduplication id that a job holds, since the job is removed; what waited behind it goes too.
local function disown_dedup(prefix, id)
  local dedup_id = redis.pcall("HGET", prefix .. id, "deid")
  if type(dedup_id) == "string" and redis.call("GET", prefix .. "de:" .. dedup_id) == id then
    redis.call("DEL", prefix .. "de:" .. dedup_id, prefix .. "dn:" .. dedup_id)
  end
end
