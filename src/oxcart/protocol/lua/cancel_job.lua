-- Asks the worker that runs a job to cancel it: it finds the request when it renews the job's lock.
--
-- keys: active cancels
-- args: prefix own id why listens keep_ms
-- returns: for how many ms the lock holds yet, -1 no such job, -3 nobody runs it, -22 its worker can't be asked
-- include: is_job
local lock_key = prefix .. id .. ":lock"
local token = redis.call("GET", lock_key)
if not is_job(prefix .. id) then
  return -1
end
if not token or not redis.call("LPOS", keys.active, id) then
  return -3
end
if string.sub(token, 1, #listens) ~= listens then
  return -22
end
local left = math.max(redis.call("PTTL", lock_key), 1)
local keep = math.max(2 * left, tonumber(keep_ms))
redis.call("SET", own .. "cancel:" .. id, token .. "\n" .. why, "PX", keep)
if redis.call("PTTL", keys.cancels) < keep then
  redis.call("SET", keys.cancels, 1, "PX", keep)
end
return left
