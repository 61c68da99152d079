-- Who a job's parent is: its key, its queue's key, its id, and what a failure of this job does to it.
--
-- The field `parent` has it all; if it can't be read, `parentKey` split at its last colon has the rest.
local function parent_of(parent_key, parent_json)
  local readable, parent = pcall(cjson.decode, parent_json or "")
  if readable and type(parent) == "table" and parent.queueKey and parent.id then
    return parent.queueKey, tostring(parent.id), parent
  end
  local queue_key, id = string.match(parent_key, "^(.*):([^:]*)$")
  return queue_key, id, {}
end
