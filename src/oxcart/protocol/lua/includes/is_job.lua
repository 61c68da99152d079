-- Whether there is a hash under this key: a job that is missing, or replaced by something else, can't be changed.
local function is_job(key)
  return redis.call("TYPE", key)["ok"] == "hash"
end
