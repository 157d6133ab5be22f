-- Take every job whose lease has expired from its worker. Atomic, so any number of reapers is safe.
-- ARGV[2] lease, ms; [3] most jobs
-- Returns {id, outcome, id, outcome, …}, outcome: "requeued" | "cancelled" | "failed" | "sealed" (the caller completes it)
local now = now_ms()
local outcome = {}
-- A lease that lasts longer than its full duration means that the server's clock was set back: it starts again.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', layout.running, '(' .. now + tonumber(ARGV[2]), '+inf', 'LIMIT', 0, ARGV[3])) do
  local job = load_job(id)
  local lease = tonumber(job and job.lease or '0')
  if job and lease > 0 and tonumber(job.lease_until) > now + lease then
    write(job, {lease_until = now + lease})
    redis.call('ZADD', layout.running, job.lease_until, id)
  end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', layout.running, '-inf', now, 'LIMIT', 0, ARGV[3])) do
  local job = load_job(id)
  local what
  if not job or job.status ~= 'running' then
    redis.call('ZREM', layout.running, id)
  elseif job.sealed ~= '' then
    -- A reaper that completes it has the time of a lease before the next one tries.
    write(job, {lease_until = now + tonumber(ARGV[2])})
    redis.call('ZADD', layout.running, job.lease_until, id)
    what = 'sealed'
  elseif job.cancel == '1' then
    move(job, 'cancelled', now, {cancel = '0'}, 'lost')
    what = 'cancelled'
  elseif job.worker == '' then
    -- Restored after the server was emptied, and its worker is gone: that doesn't count as a lost attempt.
    move(job, 'queued', now, {}, 'lost')
    what = 'requeued'
  else
    local losses = tonumber(job.losses) + 1
    if losses >= tonumber(job.max_attempts) then
      move(job, 'failed', now, {losses = losses, error = cjson.encode({
        code = 'worker_lost', retryable = true,
        detail = 'The worker was lost ' .. losses .. ' times without new progress saved in between (killed, out of memory, or cut '
          .. 'off), the last time on ' .. job.worker .. '. A smaller hidden_size or batch_size takes less memory.',
      })}, 'lost')
      what = 'failed'
    else
      move(job, 'queued', now, {losses = losses, sent = ''}, 'lost')
      what = 'requeued'
    end
  end
  if what then
    count('leases_lost:' .. job.type)
    if what == 'requeued' or what == 'sealed' then count('rescues:' .. job.type .. ':' .. what) end
    note('job_lost', job.worker, id)
    outcome[#outcome + 1] = id
    outcome[#outcome + 1] = what
  end
end
return outcome
