-- The keys of another queue, such as a parent's: those that a job is moved between.
local function queue_keys(queue_key)
  local found = {}
  for _, name in ipairs({ "wait", "active", "prioritized", "pc", "delayed", "marker", "meta", "events" }) do
    found[name] = queue_key .. ":" .. name
  end
  found.waiting_children = queue_key .. ":waiting-children"
  found.failed = queue_key .. ":failed"
  return found
end
