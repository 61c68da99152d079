-- Which active jobs are locked by this worker: after a lost reply, some may be its own without its knowing.
--
-- keys: active
-- args: prefix worker_token
-- returns: {id, token, hash, id, token, hash, …}
local found = {}
local ids = redis.call("LRANGE", keys.active, 0, -1)
for _, id in ipairs(ids) do
  local token = redis.call("GET", prefix .. id .. ":lock")
  if token and string.sub(token, 1, #worker_token) == worker_token then
    found[#found + 1] = id
    found[#found + 1] = token
    found[#found + 1] = redis.call("HGETALL", prefix .. id)
  end
end
return found
