-- An interval in milliseconds, if it can be one: whoever has written it.
local function interval_of(text)
  local every = tonumber(text or nil)
  return every and every >= 1 and every < 2199023255552 and every or nil
end
