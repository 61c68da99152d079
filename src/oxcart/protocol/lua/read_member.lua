-- Reads a job of a flow: some of its fields, where it is, how many children it has, and about `count` of each kind.
--
-- Of results of children nothing is read, if it can be helped.
--
-- keys: completed failed delayed prioritized active wait paused waiting_children
-- args: prefix id count heavy most *names
-- returns: {as `fields_of` says, state, {completed, not done, failed and ignored, failed and failing it}, references}, or nothing
-- include: fields_of, state_of
local key = prefix .. id
local fields = fields_of(key, { unpack(ARGV, names_at) }, tonumber(heavy), tonumber(most))
if not fields then
  return false
end
local counts, children, wanted = { 0, 0, 0, 0 }, {}, tonumber(count)
local function add(at, size, references, step)
  counts[at] = type(size) == "number" and size or 0
  for place = 1, type(references) == "table" and math.min(#references, wanted * step) or 0, step do
    children[#children + 1] = references[place]
  end
end
local function add_hash(at, name)
  local size = redis.pcall("HLEN", name)
  if wanted > 0 and type(size) == "number" and size > 1000 then
    return add(at, size, redis.pcall("HSCAN", name, 0, "COUNT", count)[2], 2)
  end
  add(at, size, wanted > 0 and redis.pcall("HKEYS", name), 1)
end
add_hash(1, key .. ":processed")
add(
  2, redis.pcall("SCARD", key .. ":dependencies"),
  wanted > 0 and (redis.pcall("SSCAN", key .. ":dependencies", 0, "COUNT", count)[2] or {}), 1
)
add_hash(3, key .. ":failed")
add(
  4, redis.pcall("ZCARD", key .. ":unsuccessful"),
  wanted > 0 and redis.pcall("ZRANGE", key .. ":unsuccessful", 0, wanted - 1), 1
)
return { fields, state_of(keys, id), counts, children }
