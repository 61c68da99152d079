-- Tells where a job is.
--
-- keys: completed failed delayed prioritized active wait paused waiting_children
-- args: id
-- returns: the state's name
-- include: state_of
return state_of(keys, id)
