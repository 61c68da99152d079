-- Settles a batch of attempts, each with a result of its own; answers their codes (0 if all are fine), whether any job
-- is finished, and what went wrong beside.
--
-- An attempt whose settling breaks, since a key was damaged, is put back into `active` with its code: it spoils no other.
--
-- What is the same for all is asked once: the locks, the guards against unfinished children, the list of active jobs.
--
-- include: judge_attempt, take_out, apply_outcome, retain, forget_jobs, note_problem, try_to
local function settle_all(keys, prefix, now, meta, first)
  local size = 9
  local batch, codes, all_fine, finished = {}, {}, true, false
  meta.problems = {}
  if #ARGV < first then
    return 0, false
  end
  local lock_keys = {}
  for at = first, #ARGV, size do
    -- All fields that it will ever have, so that the table never grows.
    local attempt = {
      id = ARGV[at], token = ARGV[at + 1], outcome = ARGV[at + 2], text = ARGV[at + 3], stacktrace = ARGV[at + 4],
      keep = ARGV[at + 5], number = ARGV[at + 6], lifo = ARGV[at + 7] == "1", again = ARGV[at + 8] == "1",
      key = prefix .. ARGV[at], code = 0, parent_key = false, dedup_id = false, made = 0, priority = 0,
    }
    batch[#batch + 1] = attempt
    lock_keys[#lock_keys + 1] = attempt.key .. ":lock"
  end
  local locks = redis.call("MGET", unpack(lock_keys))
  local guards = {}
  for _, attempt in ipairs(batch) do
    if attempt.outcome == "completed" or attempt.outcome == "children" then
      guards[#guards + 1] = attempt.key .. ":dependencies"
      guards[#guards + 1] = attempt.key .. ":unsuccessful"
    end
  end
  local guarded = #guards > 0 and redis.call("EXISTS", unpack(guards)) > 0

  local leaving, doomed_locks = {}, {}
  for at, attempt in ipairs(batch) do
    attempt.code = judge_attempt(keys, attempt, locks[at], guarded)
    if attempt.code == 0 then
      leaving[#leaving + 1] = attempt.id
      doomed_locks[#doomed_locks + 1] = lock_keys[at]
    end
  end
  local was_in = {}
  if #leaving > 0 then
    redis.call("DEL", unpack(doomed_locks))
    redis.call("SREM", keys.stalled, unpack(leaving))
    was_in = take_out(keys, leaving)
    redis.call("XTRIM", keys.events, "MAXLEN", "~", meta.max_len)
  end

  -- A run of completed jobs with the same retention is trimmed once, which leaves what single calls would leave.
  local target, keep = nil, ""
  for at, attempt in ipairs(batch) do
    if attempt.code == 0 and not was_in[attempt.id] then
      attempt.code = -3
    end
    codes[at] = attempt.code
    local unbroken, kept_in = true, nil
    if attempt.code == 0 then
      unbroken, kept_in = pcall(apply_outcome, keys, prefix, now, meta, attempt)
      if not unbroken then
        note_problem(meta, attempt.id, kept_in)
        redis.call("LPUSH", keys.active, attempt.id)
        attempt.code = -20
        codes[at] = -20
      end
    end
    if attempt.code == 0 then
      finished = finished or attempt.outcome == "completed" or attempt.outcome == "failed"
      if target and (kept_in ~= target or attempt.keep ~= keep) then
        try_to(meta, attempt.id, retain, target, prefix, keep, now, forget_jobs)
      end
      target, keep = kept_in, attempt.keep
    else
      all_fine = false
    end
  end
  if target then
    try_to(meta, batch[#batch].id, retain, target, prefix, keep, now, forget_jobs)
  end
  return all_fine and 0 or codes, finished
end
