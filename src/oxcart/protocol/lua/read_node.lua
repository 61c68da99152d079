-- Reads a job of a flow: its hash, where it is, and about `count` references to children of each kind.
--
-- keys: completed failed delayed prioritized active wait paused waiting_children
-- args: prefix id count
-- returns: {hash or the type of its key, state, references}, or nothing if there is no such job
-- include: state_of
local key = prefix .. id
local hash = redis.pcall("HGETALL", key)
if hash.err then
  return { redis.call("TYPE", key)["ok"], state_of(keys, id), {} }
elseif #hash == 0 then
  return false
end
local children, most = {}, tonumber(count)
local function add(references, step)
  for at = 1, math.min(#references, most * step), step do
    children[#children + 1] = references[at]
  end
end
if most > 0 then
  add(redis.call("HSCAN", key .. ":processed", 0, "COUNT", count)[2], 2)
  add(redis.call("SSCAN", key .. ":dependencies", 0, "COUNT", count)[2], 1)
  add(redis.call("ZRANGE", key .. ":unsuccessful", 0, count - 1), 1)
  add(redis.call("HSCAN", key .. ":failed", 0, "COUNT", count)[2], 2)
end
return { hash, state_of(keys, id), children }
