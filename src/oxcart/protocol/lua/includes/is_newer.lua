-- Whether a job was added after a sweep began: by the counter of ids or, if its id is its own, by its time.
local function is_newer(id, timestamp, sweep)
  if sweep.newest == "" then
    return false
  end
  local number = string.match(id, "^%d+$")
  if number then
    return tonumber(number) > tonumber(sweep.newest)
  end
  return (tonumber(timestamp) or 0) > tonumber(sweep.begun)
end
