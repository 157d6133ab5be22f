-- Release a job (a drain): queued again, or cancelled if that was requested. It doesn't count as lost.
-- ARGV[2] job id; [3] token
-- Returns {"ok", new status} | {"stale"} | {"gone"} | {"sealed"}
local job = load_job(ARGV[2])
if not owns(job, ARGV[3]) then return not_owned(job, 'release') end
if job.sealed ~= '' then return {'sealed'} end
local to = 'queued'
if job.cancel == '1' then to = 'cancelled' end
move(job, to, now_ms(), {cancel = '0', sent = ''}, 'drained')
note('job_drained', job.worker, job.id)
return {'ok', to}
