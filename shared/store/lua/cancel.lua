-- Cancel a job: a queued one at once; of a running one it is requested, and its worker ends it.
-- ARGV[2] job id
-- Returns {"ok", shown status} | {"already", shown status} | {"ended", status} | {"sealed"} | {"unknown"}
local job = load_job(ARGV[2])
if not job then return {'unknown'} end
if job.status == 'cancelled' or shown(job) == 'cancelling' then return {'already', shown(job)} end
if job.sealed ~= '' and job.status == 'running' then return {'sealed'} end
if job.status ~= 'queued' and job.status ~= 'running' then return {'ended', job.status} end
return {'ok', cancel(job, now_ms())}
