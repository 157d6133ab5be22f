-- End a running job, and record what its attempt reports last. A sealed one can only succeed.
-- ARGV[2] job id; [3] token; [4] succeeded | failed | cancelled; [5] result JSON or ""; [6] error JSON or ""
-- [7] progress, [8] losses, [9] events, [10] characters, as `report` takes them
-- Returns {"ok"} | {"stale"} | {"gone"} | {"sealed"}
local job = load_job(ARGV[2])
if not owns(job, ARGV[3]) then return not_owned(job, 'finish') end
if job.sealed ~= '' and ARGV[4] ~= 'succeeded' then return {'sealed'} end
report(ARGV[2], job.type, ARGV[7], ARGV[8], ARGV[9], ARGV[10])
move(job, ARGV[4], now_ms(), {result = ARGV[5], error = ARGV[6], cancel = '0'})
return {'ok'}
