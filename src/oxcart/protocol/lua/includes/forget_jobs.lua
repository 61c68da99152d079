-- Deletes jobs with all that belongs to them, apart from their locks.
--
-- include: in_slices
local function forget_jobs(prefix, ids)
  local doomed = {}
  local n = 0
  for _, id in ipairs(ids) do
    local key = prefix .. id
    doomed[n + 1] = key
    doomed[n + 2] = key .. ":logs"
    doomed[n + 3] = key .. ":dependencies"
    doomed[n + 4] = key .. ":processed"
    doomed[n + 5] = key .. ":failed"
    doomed[n + 6] = key .. ":unsuccessful"
    n = n + 6
  end
  in_slices("DEL", nil, doomed)
end
