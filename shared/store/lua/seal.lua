-- Begin to publish: from here on the job can only succeed, and any process may complete it.
-- ARGV[2] job id; [3] token; [4] sha256 of what is published
-- Returns {"ok"} | {"stale"} | {"gone"} | {"cancel"}: a cancel is requested
local job = load_job(ARGV[2])
if not owns(job, ARGV[3]) then return not_owned(job, 'seal') end
if job.cancel == '1' then return {'cancel'} end
write(job, {sealed = ARGV[4]})
return {'ok'}
