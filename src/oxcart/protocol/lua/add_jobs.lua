-- Adds jobs: stores each, puts it where it belongs, and wakes who waits for work.
--
-- Equal jobs travel as a group that says what they share once: count, name, opts, timestamp, delay, priority, lifo,
-- has_ids, deduplication (JSON, or empty), the parent's key and what a child says of it (or empty); then for each job its data, or its own id and its data.
-- The receipt makes the call safe to send again: a number that was seen before adds nothing and gets the same answer.
--
-- keys: id wait active prioritized pc delayed marker meta events receipt
-- args: prefix number receipt_ms *groups
-- returns: {counter of the first job, positions of those whose own id existed already, {position, id, …} of those that
--   another job stands for, {position, code, …} of those refused: -5 the parent does not exist, -7 it has another}
-- include: deduplicate, adopt, has_other_parent, release_if_done, parent_of, read_meta, emit, enqueue, put_delayed, mark_delayed, wake, store_job, in_slices
local seen = redis.call("GET", keys.receipt)
if seen then
  local receipt = cjson.decode(seen)
  -- A higher number: this is a late copy of a call that was given up and sent again long ago.
  if receipt[1] >= tonumber(number) then
    return receipt[2]
  end
end

local total, at = 0, groups_at
while at <= #ARGV do
  local count = tonumber(ARGV[at])
  total = total + count
  at = at + 11 + count * (ARGV[at + 7] == "1" and 2 or 1)
end

local counter = redis.call("INCRBY", keys.id, total) - total
local meta = read_meta(keys)
local existing, suppressed, refused = {}, {}, {}
local answer = { counter + 1, existing, suppressed, refused }
local back, front, takeable, any_delayed = {}, {}, false, false

local function place(id, timestamp, delay, priority, lifo)
  if delay > 0 then
    put_delayed(keys, id, timestamp + delay)
    any_delayed = true
    return
  end
  if priority ~= 0 then
    enqueue(keys, id, priority)
  elseif lifo then
    front[#front + 1] = id
  else
    back[#back + 1] = id
  end
  takeable = true
  emit(keys, "waiting", "jobId", id)
end

local position = 0
at = groups_at
while at <= #ARGV do
  local count, name, opts, timestamp = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local delay, priority, lifo, has_ids = ARGV[at + 4], ARGV[at + 5], ARGV[at + 6] == "1", ARGV[at + 7] == "1"
  local de = ARGV[at + 8] ~= "" and cjson.decode(ARGV[at + 8])
  local parent_key, parent_json = ARGV[at + 9], ARGV[at + 10]
  local orphan = parent_key ~= "" and redis.call("EXISTS", parent_key) == 0
  local delay_ms, rank, made = tonumber(delay), tonumber(priority), tonumber(timestamp)
  at = at + 11
  for _ = 1, count do
    position = position + 1
    counter = counter + 1
    local id = has_ids and ARGV[at] or ""
    local own_id = id ~= ""
    local data = ARGV[has_ids and at + 1 or at]
    at = at + (has_ids and 2 or 1)
    if not own_id then
      id = string.format("%.0f", counter)
    end
    if orphan then
      refused[#refused + 1] = position
      refused[#refused + 1] = -5
    elseif own_id and redis.call("EXISTS", prefix .. id) == 1 then
      if parent_key ~= "" and has_other_parent(prefix .. id, parent_key) then
        refused[#refused + 1] = position
        refused[#refused + 1] = -7
      else
        if parent_key ~= "" then
          adopt(prefix, id, parent_key, parent_json, made)
          local queue_key, parent_id = parent_of(parent_key, parent_json)
          release_if_done(parent_key, queue_key, parent_id, made)
        end
        existing[#existing + 1] = position
        emit(keys, "duplicated", "jobId", id)
      end
    else
      local owner = de and deduplicate(keys, prefix, de, { id = id, name = name, data = data, opts = opts })
      if owner then
        suppressed[#suppressed + 1] = position
        suppressed[#suppressed + 1] = owner
      elseif de then
        store_job(keys, prefix, id, name, data, opts, timestamp, delay, priority, "deid", de.id)
        place(id, made, delay_ms, rank, lifo)
      elseif parent_key ~= "" then
        store_job(
          keys, prefix, id, name, data, opts, timestamp, delay, priority, "parentKey", parent_key, "parent", parent_json
        )
        place(id, made, delay_ms, rank, lifo)
        redis.call("SADD", parent_key .. ":dependencies", prefix .. id)
      else
        store_job(keys, prefix, id, name, data, opts, timestamp, delay, priority)
        place(id, made, delay_ms, rank, lifo)
      end
    end
  end
end

in_slices("LPUSH", keys.wait, back)
in_slices("RPUSH", keys.wait, front)
if any_delayed then
  mark_delayed(keys)
end
if takeable then
  wake(keys, meta)
end
redis.call("XTRIM", keys.events, "MAXLEN", "~", meta.max_len)
redis.call("SET", keys.receipt, cjson.encode({ tonumber(number), answer }), "PX", receipt_ms)
return answer
