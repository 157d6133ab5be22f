-- Write down what an attempt reports.
-- ARGV[2] job id; [3] token; [4] progress, [5] losses, [6] events, as `report` takes them
-- Returns {"ok", "1" where a cancel is wished else "0"} | {"stale"} | {"gone"}
local held = redis.call('HMGET', layout.job .. ARGV[2], 'status', 'token', 'cancel')
if held[1] ~= 'running' or held[2] ~= ARGV[3] then return not_owned(held[1]) end
report(ARGV[2], ARGV[4], ARGV[5], ARGV[6])
return {'ok', held[3]}
