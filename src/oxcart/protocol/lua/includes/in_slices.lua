-- Runs a command over many arguments, as many at once as Lua can unpack.
local function in_slices(command, key, items)
  for first = 1, #items, 4000 do
    local last = math.min(first + 3999, #items)
    if key then
      redis.call(command, key, unpack(items, first, last))
    else
      redis.call(command, unpack(items, first, last))
    end
  end
end
