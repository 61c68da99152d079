-- Takes up to `order.count` jobs: into `active`, locked, and told; answers {id, hash, id, hash, …} and what is left.
--
-- Jobs that stalled before may have crashed their worker. Not more than `order.suspects` of them are taken; the others
-- go back to where they were, so that a worker runs them one at a time and no neighbour is blamed for a crash.
--
-- include: pop_ids, quarantine, count_taken
local function take_jobs(keys, meta, order)
  local result = { taken = {}, suspects = 0, left_suspects = 0, poison = {} }
  local ids, aside, counted = {}, {}, 0
  local prefix, now = order.prefix, order.now
  local time, token, lock_ms, worker = meta.time, order.token, order.lock_ms, order.worker
  local wanted, looks = order.count, order.count + 200
  while #ids < wanted and looks > 0 do
    local popped, scores = pop_ids(keys, math.min(wanted - #ids, looks))
    if #popped == 0 then
      break
    end
    looks = looks - #popped
    -- At once, so that no error from here on can lose one: a job in `active` without a lock comes back.
    redis.call("LPUSH", keys.active, unpack(popped))
    for _, id in ipairs(popped) do
      local hash = redis.pcall("HGETALL", prefix .. id)
      local started, stalled, doomed = 0, false, false
      for at = 1, #hash, 2 do
        local field = hash[at]
        if field == "ats" then
          started = tonumber(hash[at + 1]) or 0
        elseif field == "stc" then
          stalled = true
        elseif field == "defa" then
          doomed = true
        end
      end
      if #hash == 0 then -- nothing there, or an error reply for a key of another type
        redis.call("LREM", keys.active, 1, id)
        result.poison[#result.poison + 1] = id
        result.poison[#result.poison + 1] = quarantine(keys, prefix, order.own, id, now)
      elseif stalled and not doomed and result.suspects >= order.suspects then
        redis.call("LREM", keys.active, 1, id)
        aside[#aside + 1] = { id, scores[id] }
      else
        ids[#ids + 1] = id
        if stalled and not doomed then
          result.suspects = result.suspects + 1
        end
        if not doomed then
          counted = counted + 1
        end
        redis.call("SET", prefix .. id .. ":lock", token, "PX", lock_ms)
        redis.call("XADD", keys.events, "*", "event", "active", "jobId", id, "prev", "waiting")
        local starts = started == 0 and "1" or started + 1
        if worker ~= "" then
          redis.call("HSET", prefix .. id, "processedOn", time, "ats", starts, "pb", worker)
        else
          redis.call("HSET", prefix .. id, "processedOn", time, "ats", starts)
        end
        result.taken[#result.taken + 1] = id
        result.taken[#result.taken + 1] = hash
      end
    end
  end
  for at = #aside, 1, -1 do
    local id, score = aside[at][1], aside[at][2]
    if score then
      redis.call("ZADD", keys.prioritized, score, id)
    else
      redis.call("RPUSH", keys.wait, id)
    end
  end
  result.left_suspects = #aside
  count_taken(keys, meta, counted, order.limit_max, order.limit_ms)
  return result
end
