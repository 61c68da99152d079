-- Adds nodes of flows, each in a queue of its own: parents wait for their children, leaves go where workers take from.
--
-- Equal nodes travel as a group that says what they share once: count, their queue's prefix, name, opts, timestamp, delay,
-- priority, lifo, deduplication (JSON, or empty), the parent's key and what a child says of it (or empty), and what they
-- are: leaf, parent, or their names with "root " when the parent, if any, is not among these nodes; then for each its id
-- and data. Nodes come after their parents.
-- Either all are added or, if one is refused, none. The receipt makes the call safe to send again, as in `add_jobs`.
-- Without `release` parents are not let go here, although all their children may be done already.
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

local nodes = {}
local at = groups_at
while at <= #ARGV do
  local count = tonumber(ARGV[at])
  for item = at + 12, at + 10 + 2 * count, 2 do
    nodes[#nodes + 1] = {
      prefix = ARGV[at + 1], id = ARGV[item], name = ARGV[at + 2], data = ARGV[item + 1], opts = ARGV[at + 3],
      timestamp = ARGV[at + 4], delay = ARGV[at + 5], priority = ARGV[at + 6], lifo = ARGV[at + 7] == "1",
      dedup = ARGV[at + 8], parent_key = ARGV[at + 9], parent_json = ARGV[at + 10], kind = ARGV[at + 11],
    }
  end
  at = at + 12 + 2 * count
end
-- Asked once for all, since mostly none is there.
local keys_of_nodes = {}
for at, node in ipairs(nodes) do
  keys_of_nodes[at] = node.prefix .. node.id
end
local any_exists = redis.call("EXISTS", unpack(keys_of_nodes)) > 0
for position, node in ipairs(nodes) do
  if node.parent_key ~= "" then
    if string.sub(node.kind, 1, 4) == "root" and redis.call("EXISTS", node.parent_key) == 0 then
      return { {}, {}, { position, -5 } }
    end
    if any_exists and has_other_parent(node.prefix .. node.id, node.parent_key) then
      return { {}, {}, { position, -7 } }
    end
  end
end

local queues, existing, suppressed, parents, known = {}, {}, {}, {}, {}
local function queue_of(node)
  local queue = queues[node.prefix]
  if not queue then
    queue = queue_keys(string.sub(node.prefix, 1, -2))
    queue.id = node.prefix .. "id"
    queue.settings = read_meta(queue)
    queue.nodes, queue.back, queue.awake = 0, {}, false
    queues[node.prefix] = queue
  end
  queue.nodes = queue.nodes + 1
  return queue
end

-- What many nodes do to one key is done at the end, together.
local awaited = {}
local function await(node)
  local children = awaited[node.parent_key]
  if not children then
    children = {}
    awaited[node.parent_key] = children
  end
  children[#children + 1] = node.prefix .. node.id
end

local function place(queue, node)
  if string.find(node.kind, "parent", 1, true) then
    redis.call("ZADD", queue.waiting_children, node.timestamp, node.id)
    emit(queue, "waiting-children", "jobId", node.id)
  elseif tonumber(node.delay) > 0 then
    put_delayed(queue, node.id, tonumber(node.timestamp) + tonumber(node.delay))
    mark_delayed(queue)
  else
    if node.priority == "0" and not node.lifo then
      queue.back[#queue.back + 1] = node.id
    else
      enqueue(queue, node.id, tonumber(node.priority), node.lifo)
    end
    emit(queue, "waiting", "jobId", node.id)
    queue.awake = true
  end
end

local function add(queue, node, position)
  local owner = node.dedup ~= "" and deduplicate(queue, node.prefix, cjson.decode(node.dedup), node)
  if owner then
    suppressed = { position, owner }
    return
  end
  local extra = {}
  if node.dedup ~= "" then
    extra = { "deid", cjson.decode(node.dedup).id }
  elseif node.parent_key ~= "" then
    extra = { "parentKey", node.parent_key, "parent", node.parent_json }
  end
  store_job(
    queue, node.prefix, node.id, node.name, node.data, node.opts, node.timestamp, node.delay, node.priority, unpack(extra)
  )
  place(queue, node)
  if node.parent_key ~= "" then
    await(node)
  end
end

for position, node in ipairs(nodes) do
  local queue = queue_of(node)
  if any_exists and redis.call("EXISTS", node.prefix .. node.id) == 1 then
    if node.parent_key ~= "" then
      adopt(node.prefix, node.id, node.parent_key, node.parent_json)
    end
    emit(queue, "duplicated", "jobId", node.id)
    existing[#existing + 1] = position
  else
    add(queue, node, position)
  end
  if node.parent_key ~= "" and not known[node.parent_key] then
    known[node.parent_key] = true
    parents[#parents + 1] = node
  end
end
for parent_key, children in pairs(awaited) do
  redis.call("SADD", parent_key .. ":dependencies", unpack(children))
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
  for _, node in ipairs(parents) do
    local queue_key, id = parent_of(node.parent_key, node.parent_json)
    release_if_done(node.parent_key, queue_key, id, tonumber(node.timestamp))
  end
end
local answer = { existing, suppressed, {} }
redis.call("SET", keys.receipt, cjson.encode({ tonumber(number), answer }), "PX", receipt_ms)
return answer
