-- Adds failures that a worker saw in an hour to those that all saw, by what they are, each with one example.
--
-- Of each: what it is, how often, when for the last time, and an example. Those beyond `most` count as one. As for
-- `count_ended`, a call that is sent again counts once.
--
-- keys: failures receipt
-- args: number keep keep_receipt most other *seen
-- returns: 1, or 0 if it was counted before
if tonumber(redis.call("GET", keys.receipt) or 0) >= tonumber(number) then
  return 0
end
redis.call("SET", keys.receipt, number, "PX", keep_receipt)
local room = tonumber(most) - redis.call("HLEN", keys.failures) / 3
for at = seen_at, #ARGV, 4 do
  local what, count, last, example = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if redis.call("HEXISTS", keys.failures, what .. ":n") == 0 then
    if room > 0 then
      room = room - 1
    else
      what, example = other, ""
    end
  end
  redis.call("HINCRBY", keys.failures, what .. ":n", count)
  redis.call("HSET", keys.failures, what .. ":at", last)
  redis.call("HSETNX", keys.failures, what .. ":is", example)
end
redis.call("PEXPIRE", keys.failures, keep)
return 1
