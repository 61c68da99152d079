-- Whether anything of a job is there under an id: its hash or, without one, what stands beside it.
--
-- include: looks_like_job
local function is_left(key)
  if redis.call("EXISTS", key) == 1 then
    return looks_like_job(key)
  end
  local beside = {
    lock = "string", logs = "list", dependencies = "set", processed = "hash", failed = "hash", unsuccessful = "zset",
  }
  for suffix, kind in pairs(beside) do
    if redis.call("TYPE", key .. ":" .. suffix)["ok"] == kind then
      return true
    end
  end
  return false
end
