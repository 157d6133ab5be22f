-- Prepended to every script here. ARGV[1], the same for all, is JSON made by shared/store/scripts.py:
--   layout       prefix of each kind of key (shared/store/keys.py)
--   transitions  status -> list of the statuses that may follow (shared/jobs/record.py), defined only there
--   events_cap   newest events kept of one job
--   job_version  newest version of a job record that this process can read (shared/jobs/record.py)
--   slowness     priority -> factor of a job's cost in its turn (shared/jobs/record.py)
--   bounds_ms    upper bounds of the histograms' buckets (shared/store/scripts.py)
-- Each script starts with its own ARGV (from 2 on) and what it returns. A reply's first element is a word: "ok", or why not.
-- Scripts use keys that they find by id, so Charloom needs one Redis (or a primary with replicas), not a cluster.

local context = cjson.decode(ARGV[1])
local layout = context.layout

-- Milliseconds since 1970 on the server's clock: the only clock that decides anything.
local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- A job's record as a table of strings, or nil.
local function load_job(id)
  local flat = redis.call('HGETALL', layout.job .. id)
  if #flat == 0 then return nil end
  local job = {}
  for i = 1, #flat, 2 do job[flat[i]] = flat[i + 1] end
  return job
end

-- Counters of the whole fleet, read by shared/store/fleet.py: what they count and whose they are, as in "ended:train:failed".
local function count(name, by)
  redis.call('HINCRBY', layout.counters, name, by or 1)
end

-- Count a duration in its histogram. No field it began in: the record is an older version's.
local function observe(name, began, now)
  if not began or began == '' then return end
  local ms = math.max(0, now - tonumber(began))
  local bucket = #context.bounds_ms + 1
  for i = #context.bounds_ms, 1, -1 do
    if ms <= context.bounds_ms[i] then bucket = i end
  end
  count(name .. ':' .. bucket)
  count(name .. ':ms', ms)
end

-- Note what happened to a worker, or to a job on it, for the page of the workers.
local function note(what, worker, id)
  redis.call('XADD', layout.fleet, 'MAXLEN', '~', 1000, '*', 'what', what, 'worker', worker, 'job', id or '')
end

-- Whether this token still owns the job.
local function owns(job, token)
  return job ~= nil and job.status == 'running' and job.token == token
end

-- Why an attempt may not act: another worker has its job by now, or the server was emptied and the job isn't restored yet.
local function not_owned(known, operation)
  if known then
    count('stale:' .. operation)
    return {'stale'}
  end
  return {'gone'}
end

local function write(job, changes)
  local flat = {}
  for name, value in pairs(changes) do
    job[name] = tostring(value)
    flat[#flat + 1] = name
    flat[#flat + 1] = job[name]
  end
  redis.call('HSET', layout.job .. job.id, unpack(flat))
  redis.call('HINCRBY', layout.job .. job.id, 'revision', 1)
end

local function emit(id, kind, data)
  return redis.call('XADD', layout.events .. id, 'MAXLEN', '~', context.events_cap, '*', 'type', kind, 'data', data)
end

-- Record what an attempt reports: the latest figures in the record, events in the stream, losses in the list.
-- progress, losses: JSON or ""; events: JSON list of [type, data JSON]; characters: trained or written since the last report
local function report(id, kind, progress, losses, events, characters)
  local key = layout.job .. id
  if characters ~= '0' then count('characters:' .. kind, characters) end
  if progress ~= '' then redis.call('HSET', key, 'progress', progress) end
  if losses ~= '' then redis.call('HSET', key, 'metrics', losses) end
  if progress ~= '' or losses ~= '' then redis.call('HINCRBY', key, 'revision', 1) end
  for _, event in ipairs(cjson.decode(events)) do
    emit(id, event[1], event[2])
    if event[1] == 'metric' then redis.call('RPUSH', layout.metrics .. id, event[2]) end
    if event[1] == 'sample' then
      -- Apart from the stream, which is capped and loses early events of a long training.
      redis.call('RPUSH', layout.samples .. id, event[2])
      redis.call('LTRIM', layout.samples .. id, -200, -1)
    end
  end
end

-- The status that is shown.
local function shown(job)
  if job.status == 'running' and job.cancel == '1' then return 'cancelling' end
  return job.status
end

-- The indexes of a job: of all jobs of its type and shown status, of its model's, if it has one, and of its corpus's.
local function index_keys(job)
  local tail = job.type .. ':' .. shown(job)
  local found = {layout.index .. tail}
  if job.model_id ~= '' then found[2] = layout.index .. job.model_id .. ':' .. tail end
  for _, resource in ipairs(cjson.decode(job.uses)) do
    if string.sub(resource, 1, 4) == 'cor_' then found[#found + 1] = layout.index .. resource .. ':' .. tail end
  end
  return found
end

local function enter_index(job)
  for _, key in ipairs(index_keys(job)) do redis.call('ZADD', key, 0, job.id) end
end

local function leave_index(job)
  for _, key in ipairs(index_keys(job)) do redis.call('ZREM', key, job.id) end
end

local function emit_status(job)
  local worker = cjson.null
  if job.worker ~= '' then worker = job.worker end
  emit(job.id, 'status', cjson.encode({status = shown(job), attempt = tonumber(job.attempt), worker = worker}))
end

-- Whose turns follow one another: a caller's jobs of one priority. Those of normal priority have the caller's name, as in older versions.
local function flow(job, priority)
  if priority == 'normal' then return job.caller or '' end
  return (job.caller or '') .. '/' .. priority
end

-- The place of a new job in its queue: self-clocked fair queueing (Golestani 1994) among callers. Each caller's jobs of a priority
-- follow one another by what they cost, and those of low priority the normal ones, too; the clock of a queue is the turn of the job that
-- was claimed last, so that nobody pays for what they had while nobody else waited. Begins at the time of day, behind jobs that an
-- older version put into the queue.
local function take_turn(job, now)
  local callers, clock_key = layout.turns .. job.queue, layout.clock .. job.queue
  if redis.call('EXISTS', layout.queue .. job.queue) == 0 then redis.call('DEL', callers, clock_key) end
  redis.call('SET', clock_key, string.format('%.0f', now), 'NX')
  local clock = tonumber(redis.call('GET', clock_key))
  redis.call('ZREMRANGEBYSCORE', callers, '-inf', clock)
  local priority = job.priority or 'normal'
  local function last(of) return tonumber(redis.call('ZSCORE', callers, flow(job, of)) or clock) end
  local after = last(priority)
  if priority == 'low' then after = math.max(after, last('normal')) end
  local turn = after + math.max(1, math.floor(tonumber(job.cost or '1') * context.slowness[priority]))
  redis.call('ZADD', callers, turn, flow(job, priority))
  return string.format('%.0f', turn)
end

-- Put a job into its queue: a new one at its turn, before all new ones one that has had its turn (0).
local function enter_queue(job, now)
  if not job.turn or job.turn == '' then
    job.turn = take_turn(job, now)
    redis.call('HSET', layout.job .. job.id, 'turn', job.turn)
  end
  redis.call('ZADD', layout.queue .. job.queue, job.turn, job.id)
  if job.caller then redis.call('SADD', layout.waiting .. job.caller, job.id) end
end

local function leave_queue(job)
  redis.call('ZREM', layout.queue .. job.queue, job.id)
  if not job.caller then return end
  redis.call('SREM', layout.waiting .. job.caller, job.id)
  -- A caller who has cancelled all waiting jobs starts again.
  if redis.call('EXISTS', layout.waiting .. job.caller) == 0 then
    for priority in pairs(context.slowness) do redis.call('ZREM', layout.turns .. job.queue, flow(job, priority)) end
  end
end

-- Put a job into its queue, its message due at once.
local function enqueue(job, now)
  redis.call('HSET', layout.job .. job.id, 'queued', now)
  enter_queue(job, now)
  redis.call('ZADD', layout.outbox, now, job.id)
end

-- Add a message about the job's status for its webhook, if it asked for that one. A worker's sender delivers it. The message's id
-- comes from the job, so that adding it twice makes the same message.
local function call_webhook(job, now)
  if not job.webhook or job.webhook == '' then return end  -- no field: the record is an older version's
  local hook, kind = cjson.decode(job.webhook), 'job.' .. job.status
  local id = 'msg_' .. string.sub(job.id, 5) .. '_' .. job.status
  if job.status == 'running' then id = id .. '_' .. job.token end
  for _, wanted in ipairs(hook.events) do
    if wanted == kind then
      redis.call('HSET', layout.hook .. id, 'job', job.id, 'type', kind, 'url', hook.url, 'created', now, 'tries', 0)
      redis.call('ZADD', layout.hooks, now, id)
    end
  end
end

-- Reserve what a job will store, for as long as it lives. No field: the record is an older version's.
local function reserve(job)
  if job.makes and job.makes ~= '' then redis.call('HSET', layout.making .. job.owner, job.id, job.makes) end
end

-- What an owner's live jobs will store: how many models and texts, and how many bytes together.
local function reserved(owner)
  local found = {model = 0, text = 0, bytes = 0}
  local flat = redis.call('HGETALL', layout.making .. owner)
  for i = 1, #flat, 2 do
    local status = redis.call('HGET', layout.job .. flat[i], 'status')
    if not status or #context.transitions[status] == 0 then
      redis.call('HDEL', layout.making .. owner, flat[i])  -- a process of an older version ended it
    else
      local kind, bytes = string.match(flat[i + 1], '(%a+):(%d+)')
      found[kind], found.bytes = found[kind] + 1, found.bytes + tonumber(bytes)
    end
  end
  return found
end

local function end_job(job, now)
  redis.call('ZREM', layout.outbox, job.id)
  redis.call('ZADD', layout.ended, now, job.id)
  for _, resource in ipairs(cjson.decode(job.uses)) do
    redis.call('SREM', layout.uses .. resource, job.id)
  end
  if job.owner then redis.call('HDEL', layout.making .. job.owner, job.id) end
  call_webhook(job, now)
  local function raw(text) if text == '' then return 'null' end return text end
  emit(job.id, 'done', '{"status":"' .. job.status .. '","result":' .. raw(job.result) .. ',"error":' .. raw(job.error) .. '}')
end

-- The one place where a status changes: checks the table, updates every index, emits events.
-- outcome: how a running attempt ends, where the new status doesn't say it. Returns whether the move is allowed.
local function move(job, to, now, changes, outcome)
  local allowed = false
  for _, status in ipairs(context.transitions[job.status]) do allowed = allowed or status == to end
  if not allowed then return false end
  leave_index(job)
  if job.status == 'queued' then leave_queue(job) end
  if job.status == 'running' then
    redis.call('ZREM', layout.running, job.id)
    count('attempts_ended:' .. job.type .. ':' .. (outcome or to))
    observe('run:' .. job.type, job.claimed, now)
  end
  changes.status = to
  local ends = #context.transitions[to] == 0
  if ends then
    changes.finished = now
    count('ended:' .. job.type .. ':' .. to)
  end
  write(job, changes)
  enter_index(job)
  emit_status(job)
  if to == 'queued' then enqueue(job, now) end
  if to == 'running' then
    redis.call('ZADD', layout.running, job.lease_until, job.id)
    count('attempts:' .. job.type)
    observe('wait:' .. job.type, job.queued, now)
    call_webhook(job, now)
  end
  if ends then end_job(job, now) end
  return true
end

-- Cancel a job that is queued, or request that of its worker if it is running. Returns the status that is shown from then on.
local function cancel(job, now)
  if job.status == 'queued' then
    move(job, 'cancelled', now, {})
  else
    leave_index(job)
    write(job, {cancel = '1'})
    enter_index(job)
    emit_status(job)
  end
  return shown(job)
end
