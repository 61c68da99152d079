-- Erases jobs that are out of their state already, without a word: their parents are let go or erased with them.
--
-- A damaged key beside one must not keep the others, which are in no state any more.
--
-- include: detach, disown_dedup, forget_jobs
local function erase(prefix, ids, gone)
  for _, id in ipairs(ids) do
    if not gone[id] then
      gone[id] = true
      pcall(detach, prefix, id, true, gone)
      pcall(disown_dedup, prefix, id)
    end
  end
  forget_jobs(prefix, ids)
end
