-- Adds nodes of flows, each in a queue of its own: parents wait for their children, leaves go where workers take from.
--
-- Equal nodes travel as a group that says what they share once: count, their queue's prefix, name, opts, timestamp, delay,
-- priority, lifo, deduplication (JSON, or empty), the parent's key and what a child says of it (or empty), and what they
-- are: leaf, parent, or their names with "root " when the parent, if any, is not among these nodes; then for each its id
-- and data. Nodes come after their parents.
-- Either all are added or, if one is refused, none. The receipt makes the call safe to send again, as in `add_jobs`.
-- Without `release` parents are not let go here, although all their children may be done already. By a child that has
-- failed they are, where its failure lets them.
--
-- keys: receipt wait active prioritized pc delayed marker meta events
-- args: number receipt_ms release *groups
-- returns: {positions of those that existed already, {position, id of another job that stands for it}, {position, code} of
--   the one refused: -5 its parent does not exist, -7 it has another}
-- include: queue_keys, read_meta, emit, store_job, put_delayed, mark_delayed, enqueue, wake, deduplicate, adopt, has_other_parent, release_if_done, parent_of, in_slices
local seen = redis.call("GET", keys.receipt)
if seen then
  local receipt = cjson.decode(seen)
  if receipt[1] >= tonumber(number) then
    return receipt[2]
  end
end

local groups, keys_of_nodes = {}, {}
local at = groups_at
while at <= #ARGV do
  local last = at + 11 + 2 * tonumber(ARGV[at])
  local group = {
    prefix = ARGV[at + 1], name = ARGV[at + 2], opts = ARGV[at + 3], timestamp = ARGV[at + 4], delay = ARGV[at + 5],
    priority = ARGV[at + 6], lifo = ARGV[at + 7] == "1", dedup = ARGV[at + 8] ~= "" and cjson.decode(ARGV[at + 8]),
    parent_key = ARGV[at + 9], parent_json = ARGV[at + 10], kind = ARGV[at + 11], first = at + 12, last = last,
    before = #keys_of_nodes,
  }
  groups[#groups + 1] = group
  for item = group.first, last, 2 do
    keys_of_nodes[#keys_of_nodes + 1] = group.prefix .. ARGV[item]
  end
  at = last + 1
end

-- Asked once for all, since mostly none is there.
local any_exists = redis.call("EXISTS", unpack(keys_of_nodes)) > 0
for _, group in ipairs(groups) do
  if group.parent_key ~= "" then
    if string.sub(group.kind, 1, 4) == "root" and redis.call("EXISTS", group.parent_key) == 0 then
      return { {}, {}, { group.before + 1, -5 } }
    end
    for item = group.first, any_exists and group.last or 0, 2 do
      if has_other_parent(group.prefix .. ARGV[item], group.parent_key) then
        return { {}, {}, { group.before + 1 + (item - group.first) / 2, -7 } }
      end
    end
  end
end

local queues, existing, suppressed = {}, {}, {}
local function queue_of(prefix)
  local queue = queues[prefix]
  if not queue then
    queue = queue_keys(string.sub(prefix, 1, -2))
    queue.id = prefix .. "id"
    queue.settings = read_meta(queue)
    queue.nodes, queue.back, queue.awake = 0, {}, false
    queues[prefix] = queue
  end
  return queue
end

-- What many nodes do to one key is done at the end, together.
local function place(queue, group, id)
  if group.waits then
    redis.call("ZADD", queue.waiting_children, group.timestamp, id)
    emit(queue, "waiting-children", "jobId", id)
  elseif group.due then
    put_delayed(queue, id, group.due)
    mark_delayed(queue)
  else
    if group.plain then
      queue.back[#queue.back + 1] = id
    else
      enqueue(queue, id, tonumber(group.priority), group.lifo)
    end
    emit(queue, "waiting", "jobId", id)
    queue.awake = true
  end
end

local function add(queue, group, id, data, position)
  local prefix = group.prefix
  if group.dedup then
    local new = { id = id, name = group.name, data = data, opts = group.opts }
    local owner = deduplicate(queue, prefix, group.dedup, new)
    if owner then
      suppressed = { position, owner }
      return
    end
    store_job(
      queue, prefix, id, group.name, data, group.opts, group.timestamp, group.delay, group.priority, "deid",
      group.dedup.id
    )
  elseif group.parent_key ~= "" then
    store_job(
      queue, prefix, id, group.name, data, group.opts, group.timestamp, group.delay, group.priority, "parentKey",
      group.parent_key, "parent", group.parent_json
    )
  else
    store_job(queue, prefix, id, group.name, data, group.opts, group.timestamp, group.delay, group.priority)
  end
  place(queue, group, id)
end

for _, group in ipairs(groups) do
  local queue = queue_of(group.prefix)
  local wait, position = tonumber(group.delay), group.before
  group.waits = string.find(group.kind, "parent", 1, true)
  group.due = wait > 0 and tonumber(group.timestamp) + wait
  group.plain = group.priority == "0" and not group.lifo
  local awaited = {}
  for item = group.first, group.last, 2 do
    local id = ARGV[item]
    position = position + 1
    queue.nodes = queue.nodes + 1
    if any_exists and redis.call("EXISTS", group.prefix .. id) == 1 then
      if group.parent_key ~= "" then
        adopt(group.prefix, id, group.parent_key, group.parent_json, tonumber(group.timestamp))
      end
      emit(queue, "duplicated", "jobId", id)
      existing[#existing + 1] = position
    else
      add(queue, group, id, ARGV[item + 1], position)
      awaited[#awaited + 1] = group.prefix .. id
    end
  end
  if group.parent_key ~= "" and #awaited > 0 then
    redis.call("SADD", group.parent_key .. ":dependencies", unpack(awaited))
  end
end
for _, queue in pairs(queues) do
  redis.call("INCRBY", queue.id, queue.nodes)
  in_slices("LPUSH", queue.wait, queue.back)
  if queue.awake then
    wake(queue, queue.settings)
  end
  redis.call("XTRIM", queue.events, "MAXLEN", "~", queue.settings.max_len)
end
if release == "1" and #existing > 0 then
  for _, group in ipairs(groups) do
    if group.parent_key ~= "" then
      local queue_key, id = parent_of(group.parent_key, group.parent_json)
      release_if_done(group.parent_key, queue_key, id, tonumber(group.timestamp))
    end
  end
end
local answer = { existing, suppressed, {} }
redis.call("SET", keys.receipt, cjson.encode({ tonumber(number), answer }), "PX", receipt_ms)
return answer
