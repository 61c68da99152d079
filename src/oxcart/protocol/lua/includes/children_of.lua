-- The references of all children that a parent knows, in the order in which they are removed.
local function children_of(key)
  local found = {}
  local function add(references)
    for _, reference in ipairs(references) do
      found[#found + 1] = reference
    end
  end
  add(redis.call("HKEYS", key .. ":processed"))
  add(redis.call("HKEYS", key .. ":failed"))
  add(redis.call("ZRANGE", key .. ":unsuccessful", 0, -1))
  add(redis.call("SMEMBERS", key .. ":dependencies"))
  return found
end
