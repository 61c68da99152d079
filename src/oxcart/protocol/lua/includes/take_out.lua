-- Takes jobs out of `active`; answers which of them were in it.
--
-- A long batch reads the list once and writes it once, which is cheaper than looking for each job from one end.
--
-- include: in_slices
local function take_out(keys, ids)
  local was_in = {}
  if #ids < 4 or redis.call("LLEN", keys.active) > 4 * #ids then
    for _, id in ipairs(ids) do
      was_in[id] = redis.call("LREM", keys.active, -1, id) == 1
    end
    return was_in
  end
  local leaving, staying = {}, {}
  for _, id in ipairs(ids) do
    leaving[id] = true
  end
  for _, id in ipairs(redis.call("LRANGE", keys.active, 0, -1)) do
    if leaving[id] then
      was_in[id] = true
      leaving[id] = nil
    else
      staying[#staying + 1] = id
    end
  end
  redis.call("DEL", keys.active)
  in_slices("RPUSH", keys.active, staying)
  return was_in
end
