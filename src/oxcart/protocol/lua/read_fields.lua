-- Reads some fields of the jobs in a range of one state, in the order of `read_page`; `aside` as there.
--
-- When more than `budget` bytes were read, the rest of the range is left out; 0 is no limit.
--
-- keys: holder aside
-- args: prefix start stop descending heavy most budget *names
-- returns: {how many there are in the range, id, as `fields_of` says, id, …}
-- include: ids_between fields_of
local ids = ids_between(keys.holder, keys.aside, start, stop, descending == "1")
local wanted = { unpack(ARGV, names_at) }
local found, left = { #ids }, tonumber(budget) > 0 and tonumber(budget) or math.huge
for _, id in ipairs(ids) do
  local fields, bytes = fields_of(prefix .. id, wanted, tonumber(heavy), tonumber(most))
  found[#found + 1] = id
  found[#found + 1] = fields
  left = left - bytes
  if left < 0 then
    break
  end
end
return found
