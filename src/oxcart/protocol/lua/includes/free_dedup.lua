-- Frees a finished job's deduplication id, and adds the job that was kept back until now, if any.
--
-- A key that expires by itself (throttling) is left to; only a key that still names this job is deleted.
--
-- include: store_job, enqueue, put_delayed, mark_delayed, wake, emit
local function free_dedup(keys, prefix, id, dedup_id, meta, now)
  local owner_key = prefix .. "de:" .. dedup_id
  local ttl = redis.call("PTTL", owner_key)
  if ttl == 0 or (ttl == -1 and redis.call("GET", owner_key) == id) then
    redis.call("DEL", owner_key)
  end
  local next_key = prefix .. "dn:" .. dedup_id
  local kept = redis.call("HMGET", next_key, "name", "data", "opts", "jid", "pk", "pd", "pdk", "rjk")
  if not kept[1] then
    return
  end
  local counter = redis.call("INCR", keys.id)
  local next_id = kept[4] or tostring(counter)
  if redis.call("EXISTS", prefix .. next_id) == 1 then
    -- Its id was taken meanwhile.
    emit(keys, "duplicated", "jobId", next_id)
    redis.call("DEL", next_key)
    return
  end
  local readable, opts = pcall(cjson.decode, kept[3] or "{}")
  opts = readable and type(opts) == "table" and opts or {}
  local delay, priority = tonumber(opts.delay) or 0, tonumber(opts.priority) or 0
  local timestamp = tonumber(opts.timestamp) or now
  local extra = { "deid", dedup_id }
  for at, field in ipairs({ "parentKey", "parent", false, "rjk" }) do
    if field and kept[4 + at] then
      extra[#extra + 1] = field
      extra[#extra + 1] = kept[4 + at]
    end
  end
  redis.call("SET", owner_key, next_id)
  store_job(
    keys, prefix, next_id, kept[1], kept[2] or "{}", kept[3] or "{}", string.format("%.0f", timestamp),
    string.format("%.0f", delay), string.format("%.0f", priority), unpack(extra)
  )
  if delay > 0 then
    put_delayed(keys, next_id, timestamp + delay)
    mark_delayed(keys)
  else
    enqueue(keys, next_id, priority, opts.lifo)
    emit(keys, "waiting", "jobId", next_id)
    wake(keys, meta)
  end
  if kept[7] then
    redis.call("SADD", kept[7], prefix .. next_id)
  end
  redis.call("DEL", next_key)
end
