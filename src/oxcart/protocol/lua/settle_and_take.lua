-- Settles attempts that ended and takes new jobs, many in one call.
--
-- Each attempt is nine arguments: id, token, outcome, text, stacktrace, keep, number, lifo, again.
-- Outcomes: completed (text = JSON value, keep) · failed (text = reason, keep, number = attempts allowed) ·
-- retry (text = reason, lifo) · delayed (text = reason, number = ms) · later (number = ms) · back ·
-- limited (number = ms: back, and nothing is taken for so long) · children (waits for them; back if there are none).
-- An attempt with `again` was cut off from Redis meanwhile: if nobody else took the job, it is still its own.
--
-- keys: id wait active prioritized pc delayed waiting_children completed failed stalled limiter marker meta events
-- args: prefix own now token lock_ms worker limit_max limit_ms count share suspects points *attempts
-- returns: {codes of the attempts or 0, {id, hash, …}, next due ms or 0, limited for ms, jobs left, suspects left, poison,
--   problems}
-- include: read_meta, promote_due, settle_all, take_jobs, allowance, remains, next_due, wake, closed, emit
local meta = read_meta(keys)
meta.points = tonumber(points)
meta.time = now -- as text, which whatever is stored takes as it is
now, count, suspects = tonumber(now), tonumber(count), tonumber(suspects)
promote_due(keys, prefix, now, meta)
local codes, finished = settle_all(keys, prefix, now, meta, attempts_at)

local allowed, limited_ms = 0, 0
if count > 0 then
  allowed, limited_ms = allowance(keys, meta, count, tonumber(limit_max))
  if share == "1" then
    allowed = math.min(allowed, math.ceil(remains(keys) / 2))
  end
end

local taken = { taken = {}, left_suspects = 0, poison = {} }
if allowed > 0 then
  taken = take_jobs(keys, meta, {
    prefix = prefix, own = own, now = now, token = token, lock_ms = lock_ms, worker = worker, count = allowed,
    suspects = suspects, limit_max = tonumber(limit_max), limit_ms = tonumber(limit_ms),
  })
end
local waiting = remains(keys)

local none = #taken.taken == 0
local due = none and next_due(keys) or nil
if waiting > 0 then
  -- Whoever is idle shall have the rest. While this worker goes on taking, it finds the marker set and that's all.
  wake(keys, meta)
elseif finished and none and redis.call("EXISTS", keys.active) == 0 then
  -- Who asked for a job hears of none only if nothing but their absence is the reason.
  if count == 0 or not (due or limited_ms > 0 or closed(keys, meta)) then
    emit(keys, "drained")
  end
end
return { codes, taken.taken, due or 0, limited_ms, waiting, taken.left_suspects, taken.poison, meta.problems }
