-- End the lease of a job whose process is known to be dead, so that it is reaped next.
-- ARGV[2] job id; [3] owner_id
-- Returns {"ok"} | {"stale"}: another process holds it
local job = load_job(ARGV[2])
if not job or job.status ~= 'running' or job.owner_id ~= ARGV[3] then return {'stale'} end
write(job, {lease_until = 0})
redis.call('ZADD', layout.running, 0, job.id)
return {'ok'}
