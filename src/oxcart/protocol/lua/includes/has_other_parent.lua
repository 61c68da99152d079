-- Whether a job is a child of another job than this one, that is still there.
local function has_other_parent(key, parent_key)
  local old = redis.call("HGET", key, "parentKey")
  return old and old ~= parent_key and redis.call("EXISTS", old) == 1
end
