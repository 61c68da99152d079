-- Sets the marker again if jobs are left: someone took it and had no use for it.
--
-- keys: wait active prioritized delayed marker meta
-- returns: nothing
-- include: read_meta, remains, wake, mark_delayed
if remains(keys) > 0 then
  wake(keys, read_meta(keys))
else
  mark_delayed(keys)
end
