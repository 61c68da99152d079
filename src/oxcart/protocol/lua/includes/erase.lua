-- Erases jobs that are out of their state already, without a word: their parents are let go or erased with them.
--
-- include: detach, disown_dedup, forget_jobs
local function erase(prefix, ids, gone)
  for _, id in ipairs(ids) do
    if not gone[id] then
      gone[id] = true
      detach(prefix, id, true, gone)
      disown_dedup(prefix, id)
    end
  end
  forget_jobs(prefix, ids)
end
