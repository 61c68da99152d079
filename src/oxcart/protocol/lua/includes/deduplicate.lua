-- Decides whether a job may be added under its deduplication id; answers the id of the job that stands for it instead,
-- or nil after taking the deduplication id for it.
--
-- `de`: id, ttl (ms), extend, replace, keepLastIfActive. `new`: the job's id, name, data and opts.
--
-- include: emit, forget_jobs
local function deduplicate(keys, prefix, de, new)
  local key, next_key = prefix .. "de:" .. de.id, prefix .. "dn:" .. de.id
  local keep = de.keepLastIfActive
  -- With `keep` the id must be held for as long as its job runs.
  local ttl = not keep and (tonumber(de.ttl) or 0) > 0 and string.format("%.0f", de.ttl)
  local function hold(by)
    if ttl then
      redis.call("SET", key, by, "PX", ttl)
    else
      redis.call("SET", key, by)
    end
  end
  local function tell(stays, goes)
    emit(keys, "deduplicated", "jobId", stays, "deduplicationId", de.id, "deduplicatedJobId", goes)
  end

  local owner = redis.call("GET", key)
  if not owner then
    hold(new.id)
    return nil
  end
  if de.replace and redis.call("ZREM", keys.delayed, owner) == 1 then
    forget_jobs(prefix, { owner })
    emit(keys, "removed", "jobId", owner, "prev", "delayed")
    tell(new.id, owner)
    redis.call("DEL", next_key)
    if ttl and not de.extend then
      redis.call("SET", key, new.id, "KEEPTTL")
    else
      hold(new.id)
    end
    return nil
  end
  if redis.call("PTTL", key) == -1 and redis.call("EXISTS", prefix .. owner) == 0 then
    -- Held by a job that is gone: nobody would ever free it.
    redis.call("DEL", next_key)
    hold(new.id)
    return nil
  end
  if keep and redis.call("LPOS", keys.active, owner) then
    redis.call("DEL", next_key)
    redis.call("HSET", next_key, "name", new.name, "data", new.data, "opts", new.opts, "jid", new.id)
    redis.call("PERSIST", key)
    tell(owner, new.id)
    return owner
  end
  if not de.replace then
    if ttl and de.extend then
      hold(owner)
    end
    tell(owner, new.id)
  end
  return owner
end
