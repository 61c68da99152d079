-- Writes a job's hash and says that it was added.
--
-- include: emit
local function store_job(keys, prefix, id, name, data, opts, timestamp, delay, priority, ...)
  redis.call(
    "HSET", prefix .. id, "name", name, "data", data, "opts", opts,
    "timestamp", timestamp, "delay", delay, "priority", priority, ...
  )
  emit(keys, "added", "jobId", id, "name", name)
end
