-- Does what a job can do without: if a damaged key makes it fail, that is noted and all else goes on.
--
-- include: note_problem
local function try_to(meta, id, doing, ...)
  local unbroken, problem = pcall(doing, ...)
  if not unbroken then
    note_problem(meta, id, problem)
  end
end
