-- Puts a job where workers take from: `wait`, or `prioritized` if it has a priority.
--
-- `front`: runs next (the right end of `wait`), instead of after those that wait. With a priority it has no effect.
local function enqueue(keys, id, priority, front)
  if priority ~= 0 then
    local turn = redis.call("INCR", keys.pc) % 4294967296
    redis.call("ZADD", keys.prioritized, string.format("%.0f", priority * 4294967296 + turn), id)
  elseif front then
    redis.call("RPUSH", keys.wait, id)
  else
    redis.call("LPUSH", keys.wait, id)
  end
end
