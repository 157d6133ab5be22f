-- Claim a queued job: a new token, a lease, one more attempt.
-- ARGV[2] job id; [3] worker's name; [4] lease, ms; [5] min_token: the highest token seen on the volume
-- [6] owner_id: identifies the process of that name
-- Returns {"ok", token, the record: {name, value, …}} | {"no"}: unknown or not queued
local job = load_job(ARGV[2])
if not job or job.status ~= 'queued' then return {'no'} end
local now = now_ms()
local token = math.max(tonumber(job.token), tonumber(ARGV[5])) + 1
local started = job.started
if started == '' then started = now end
if job.sent ~= '' then
  local newest = tonumber(redis.call('GET', layout.claimed .. job.queue) or '0')
  if tonumber(job.sent) > newest or newest > now then redis.call('SET', layout.claimed .. job.queue, job.sent) end
end
move(job, 'running', now, {
  attempt = tonumber(job.attempt) + 1, token = token, worker = ARGV[3], owner_id = ARGV[6], started = started,
  lease_until = now + tonumber(ARGV[4]), lease = ARGV[4],
})
redis.call('ZREM', layout.outbox, job.id)
return {'ok', token, redis.call('HGETALL', layout.job .. job.id)}
