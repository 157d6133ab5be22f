-- Claim a queued job: a new token, a lease, one more attempt.
-- ARGV[2] job id; [3] worker's name; [4] lease, ms; [5] min_token: the highest token seen on the volume
-- [6] owner_id: identifies the process of that name
-- [7] the job that the message named, which calls for whichever job's turn it is; "": claim this job, whose ever turn it is
-- [8] JSON list of jobs that this worker can't run: their turn is left to others
-- Returns {"ok", token, the record: {name, value, …}} | {"no"}: unknown or not queued | {"turn", id of the job whose turn it is}
local job, message, unfit, is_unfit = load_job(ARGV[2]), ARGV[7], cjson.decode(ARGV[8]), {}
for _, id in ipairs(unfit) do is_unfit[id] = true end
if message ~= '' then
  local queue = redis.call('HGET', layout.job .. message, 'queue')
  for _, id in ipairs(queue and redis.call('ZRANGE', layout.queue .. queue, 0, #unfit) or {}) do
    if id == ARGV[2] and not is_unfit[id] then break end
    if not is_unfit[id] then return {'turn', id} end
  end
end
if not job or job.status ~= 'queued' or is_unfit[ARGV[2]] or tonumber(job.version or '1') > context.job_version then return {'no'} end
local now = now_ms()
local sent = job.sent
if message ~= '' and message ~= job.id then
  -- The two exchange messages: the other one will be called for by this job's, sent or not.
  local other = redis.call('HMGET', layout.job .. message, 'status', 'sent')
  sent = ''
  if other[1] == 'queued' then
    sent = other[2]
    redis.call('HSET', layout.job .. message, 'sent', job.sent)
    local due = redis.call('ZSCORE', layout.outbox, job.id)
    if due then redis.call('ZADD', layout.outbox, due, message) end
  end
end
if sent ~= '' then
  local newest = tonumber(redis.call('GET', layout.claimed .. job.queue) or '0')
  if tonumber(sent) > newest or newest > now then redis.call('SET', layout.claimed .. job.queue, sent) end
end
local clock = tonumber(redis.call('GET', layout.clock .. job.queue) or '0')
if tonumber(job.turn or '') and tonumber(job.turn) > clock then redis.call('SET', layout.clock .. job.queue, job.turn) end
local token = math.max(tonumber(job.token), tonumber(ARGV[5])) + 1
local started = job.started
if started == '' then started = now end
move(job, 'running', now, {
  attempt = tonumber(job.attempt) + 1, token = token, worker = ARGV[3], owner_id = ARGV[6], started = started, claimed = now,
  lease_until = now + tonumber(ARGV[4]), lease = ARGV[4], message = message,
  turn = 0,  -- it has had its turn: queued again, it is first
})
redis.call('ZREM', layout.outbox, job.id)
return {'ok', token, redis.call('HGETALL', layout.job .. job.id)}
