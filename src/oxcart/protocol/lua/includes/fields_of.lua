-- Reads fields of a job: a value, false for what isn't there, and of what has more than `most` bytes only its size.
--
-- The first `heavy` of `names` are looked at before they are read; of texts that are too long the beginning is read.
-- Answers the type of what is no hash, false for nothing, and how many bytes were read.
local function fields_of(key, names, heavy, most)
  if #names == 0 then
    return {}, 0
  end
  local found, wanted, places, bytes = {}, {}, {}, 0
  for at, name in ipairs(names) do
    local size = at <= heavy and redis.pcall("HSTRLEN", key, name) or 0
    if type(size) == "table" then
      return redis.call("TYPE", key)["ok"], 0
    end
    found[at] = false
    if size <= most then
      wanted[#wanted + 1], places[#places + 1] = name, at
    elseif name == "name" or name == "failedReason" then
      found[at] = string.sub(redis.call("HGET", key, name), 1, most)
    else
      found[at] = size
    end
  end
  local values = #wanted > 0 and redis.pcall("HMGET", key, unpack(wanted)) or {}
  if values.err then
    return redis.call("TYPE", key)["ok"], 0
  end
  for at, value in ipairs(values) do
    found[places[at]] = value
  end
  local any = false
  for _, value in ipairs(found) do
    any = any or value
    bytes = bytes + (type(value) == "string" and #value or 0)
  end
  return (any or redis.call("EXISTS", key) == 1) and found, bytes
end
