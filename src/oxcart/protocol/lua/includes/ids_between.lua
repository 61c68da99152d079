-- Reads the ids of a range of one state. Lists run from their right end, sets from their lowest score.
--
-- The jobs of `aside`, a list, come before those of `holder`: such as those that version 5 has put aside.
-- include: read_list
local function ids_between(holder, aside, start, stop, descending)
  local kind = redis.call("TYPE", holder)["ok"]
  if kind == "zset" then
    return redis.call(descending and "ZREVRANGE" or "ZRANGE", holder, start, stop)
  elseif kind == "list" or redis.call("TYPE", aside)["ok"] == "list" then
    local lists = aside == holder and { holder } or { aside, holder }
    return read_list(lists, tonumber(start), tonumber(stop), descending)
  end
  return {}
end
