-- Note that a queued job's message was sent by its creator.
-- ARGV[2] job id
-- Returns {"ok"} | {"no"}
local job = load_job(ARGV[2])
if not job or job.status ~= 'queued' then return {'no'} end
redis.call('HSET', layout.job .. job.id, 'sent', now_ms())
redis.call('ZREM', layout.outbox, job.id)
return {'ok'}
