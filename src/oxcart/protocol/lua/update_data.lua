-- Replaces a job's data, if they are still what they were: `was`, or anything if that is empty.
--
-- keys:
-- args: prefix id data was
-- returns: 1, 0 they have changed and are left as they are, or -1 no such job
-- include: is_job
if not is_job(prefix .. id) then
  return -1
end
if was ~= "" and redis.call("HGET", prefix .. id, "data") ~= was then
  return 0
end
redis.call("HSET", prefix .. id, "data", data)
return 1
