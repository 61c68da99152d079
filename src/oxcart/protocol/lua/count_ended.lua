-- Adds what a worker counted in a minute to what all workers counted: of that minute, its hour and day, and in all.
--
-- Counts are JSON objects of whole numbers, by the names of jobs; names beyond `most` count as one. Each call of a
-- worker has a number, above those of its earlier calls: one whose answer was lost is sent again, and counts once.
--
-- keys: step_m step_h step_d step_total receipt
-- args: number keep_m keep_h keep_d keep_total keep_receipt most other *names
-- returns: 1, or 0 if it was counted before
if tonumber(redis.call("GET", keys.receipt) or 0) >= tonumber(number) then
  return 0
end
redis.call("SET", keys.receipt, number, "PX", keep_receipt)
local levels = {
  { keys.step_m, keep_m }, { keys.step_h, keep_h }, { keys.step_d, keep_d }, { keys.step_total, keep_total },
}
for _, level in ipairs(levels) do
  local key = level[1]
  local room = tonumber(most) - redis.call("HLEN", key)
  for at = names_at, #ARGV, 2 do
    local name = ARGV[at]
    local kept = redis.call("HGET", key, name)
    if not kept and name ~= other then
      if room > 0 then
        room = room - 1
      else
        name = other
        kept = redis.call("HGET", key, name)
      end
    end
    local counts = cjson.decode(ARGV[at + 1])
    local readable, sums = pcall(cjson.decode, kept or "")
    if readable and type(sums) == "table" then
      for field, count in pairs(sums) do
        counts[field] = (counts[field] or 0) + (tonumber(count) or 0)
      end
    end
    redis.call("HSET", key, name, cjson.encode(counts))
  end
  redis.call("PEXPIRE", key, level[2])
end
return 1
