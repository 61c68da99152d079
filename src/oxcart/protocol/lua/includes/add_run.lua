-- Adds the run of a scheduler for a time, which is when it is due if that is to come, and answers its id and delay.
--
-- `run`: scheduler, slot, now, due (if it was put off already), jitter (ms), head (its options as JSON, up to where its time belongs), cron (whether its
-- options say that time once more), name, data, priority, lifo, dedup.
--
-- include: run_id, store_job, put_delayed, mark_delayed, enqueue, emit, wake
local function add_run(keys, prefix, meta, run)
  local id = run_id(run.scheduler, run.slot)
  local delay = math.max((run.due or run.slot) - run.now, 0)
  if delay > 0 and not run.due then
    delay = delay + run.jitter
  end
  local slot, wait = string.format("%.0f", run.slot), string.format("%.0f", delay)
  local opts = run.head .. slot .. '","delay":' .. wait .. (run.cron and ',"prevMillis":' .. slot or "") .. "}"
  local fields = { "rjk", run.scheduler }
  if run.dedup ~= "" then
    fields = { "rjk", run.scheduler, "deid", run.dedup }
  end
  redis.call("INCR", keys.id)
  store_job(
    keys, prefix, id, run.name, run.data, opts, string.format("%.0f", run.now), wait, run.priority, unpack(fields)
  )
  if delay > 0 then
    put_delayed(keys, id, run.now + delay)
    mark_delayed(keys)
  else
    enqueue(keys, id, tonumber(run.priority), run.lifo == "1")
    emit(keys, "waiting", "jobId", id)
    wake(keys, meta)
  end
  return id, wait
end
