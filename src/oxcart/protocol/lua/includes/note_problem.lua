-- Notes what went wrong with a job, for the worker to tell.
local function note_problem(meta, id, problem)
  local text = type(problem) == "table" and problem.err or tostring(problem)
  meta.problems[#meta.problems + 1] = "job " .. id .. ": " .. text
end
