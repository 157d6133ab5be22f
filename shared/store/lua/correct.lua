-- Bring a record that isn't missing into agreement with the volume: the newest writes of the server were lost.
-- ARGV[2] job id; [3] how it ended, "" if it hasn't; [4] result JSON or ""; [5] error JSON or ""; [6] when it ended, ms
-- [7] of one that succeeded, its losses, JSON list of data JSON; [8] min_token: a queued job's next token is above it
-- Returns {"ok"} | {"no"}: there is nothing to change
local job, status = load_job(ARGV[2]), ARGV[3]
if not job or #(context.transitions[job.status] or {}) == 0 then return {'no'} end  -- no row: a newer version's status
if status == '' then
  if job.status ~= 'queued' or tonumber(job.token) >= tonumber(ARGV[8]) then return {'no'} end
  write(job, {token = ARGV[8]})
  return {'ok'}
end
local now = now_ms()
if job.status == 'queued' and status ~= 'cancelled' then
  -- The claim is lost, too.
  move(job, 'running', now, {attempt = tonumber(job.attempt) + 1, started = now, claimed = now, lease_until = now, message = ''})
end
if ARGV[7] ~= '[]' then
  redis.call('DEL', layout.metrics .. job.id)
  for _, data in ipairs(cjson.decode(ARGV[7])) do redis.call('RPUSH', layout.metrics .. job.id, data) end
end
move(job, status, tonumber(ARGV[6]), {result = ARGV[4], error = ARGV[5], cancel = '0'})
return {'ok'}
