-- Deletes jobs that have failed. A parent waits for a failed child, since it may be retried: now it goes on without it.
--
-- include: detach, forget_jobs
local function forget_failed(prefix, ids)
  for _, id in ipairs(ids) do
    pcall(detach, prefix, id, false)
  end
  forget_jobs(prefix, ids)
end
