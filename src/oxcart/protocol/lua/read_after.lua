-- Reads some fields of the jobs of a sorted set that come after a place, whatever has gone from before it.
--
-- A place is a score and an id: jobs of one score are in the order of the bytes of their ids. It begins with no id.
-- `budget` as in `read_fields`.
--
-- keys: holder
-- args: prefix score id count heavy most budget *names
-- returns: {id, score, as `fields_of` says, id, …}
-- include: fields_of
local function is_after(one, other)
  for at = 1, math.min(#one, #other) do
    local left, right = string.byte(one, at), string.byte(other, at)
    if left ~= right then
      return left > right
    end
  end
  return #one > #other
end

local function rank_after()
  if id == "" then
    return 0
  end
  local held = redis.call("ZSCORE", keys.holder, id)
  if held and tonumber(held) == tonumber(score) then
    return redis.call("ZRANK", keys.holder, id) + 1
  end
  local low = redis.call("ZCOUNT", keys.holder, "-inf", "(" .. score)
  local high = low + redis.call("ZCOUNT", keys.holder, score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_after(redis.call("ZRANGE", keys.holder, middle, middle)[1], id) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

if redis.call("TYPE", keys.holder)["ok"] ~= "zset" then
  return {}
end
local first = rank_after()
local pairs_found = redis.call("ZRANGE", keys.holder, first, first + tonumber(count) - 1, "WITHSCORES")
local wanted = { unpack(ARGV, names_at) }
local found, left = {}, tonumber(budget) > 0 and tonumber(budget) or math.huge
for at = 1, #pairs_found, 2 do
  local fields, bytes = fields_of(prefix .. pairs_found[at], wanted, tonumber(heavy), tonumber(most))
  found[#found + 1] = pairs_found[at]
  found[#found + 1] = pairs_found[at + 1]
  found[#found + 1] = fields
  left = left - bytes
  if left < 0 then
    break
  end
end
return found
