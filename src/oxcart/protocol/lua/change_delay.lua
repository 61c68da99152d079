-- Makes a delayed job due at another time: `delay_ms` from now.
--
-- keys: delayed marker meta events
-- args: prefix id now delay_ms
-- returns: 0, or -1 no such job, -3 not delayed
-- include: is_job, read_meta, put_delayed, mark_delayed
if not is_job(prefix .. id) then
  return -1
end
if redis.call("ZREM", keys.delayed, id) == 0 then
  return -3
end
redis.call("HSET", prefix .. id, "delay", delay_ms)
if redis.call("HEXISTS", prefix .. id, "rjk") == 1 then
  -- The run of a scheduler that was put off by hand is not late.
  redis.call("HSET", prefix .. id, "ox:due", string.format("%.0f", tonumber(now) + tonumber(delay_ms)))
end
put_delayed(keys, id, tonumber(now) + tonumber(delay_ms))
mark_delayed(keys)
redis.call("XTRIM", keys.events, "MAXLEN", "~", read_meta(keys).max_len)
return 0
