-- Record what an attempt reports.
-- ARGV[2] job id; [3] token; [4] progress, [5] losses, [6] events, [7] characters, as `report` takes them
-- [8] work in a training state that it has saved, or ""; more than in any before sets the count of lost attempts back to 0
-- Returns {"ok", "1" if a cancel is requested else "0"} | {"stale"} | {"gone"}
local held = redis.call('HMGET', layout.job .. ARGV[2], 'status', 'token', 'cancel', 'saved_work', 'type')
if held[1] ~= 'running' or held[2] ~= ARGV[3] then return not_owned(held[1], 'record') end
report(ARGV[2], held[5], ARGV[4], ARGV[5], ARGV[6], ARGV[7])
-- No field: the record is an older version's.
if ARGV[8] ~= '' and tonumber(ARGV[8]) > tonumber(held[4] or '0') then
  write({id = ARGV[2]}, {saved_work = ARGV[8], losses = 0})
end
return {'ok', held[3]}
