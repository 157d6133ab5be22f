-- Reset losses and samples to those in the state that an attempt continues from: later ones will be reported again.
-- ARGV[2] job id; [3] token; [4] losses, JSON list of data JSON; [5] samples, likewise
-- Returns {"ok"} | {"stale"} | {"gone"}
local job = load_job(ARGV[2])
if not owns(job, ARGV[3]) then return not_owned(job, 'rewind') end
for list, lines in pairs({[layout.metrics] = ARGV[4], [layout.samples] = ARGV[5]}) do
  redis.call('DEL', list .. ARGV[2])
  for _, data in ipairs(cjson.decode(lines)) do redis.call('RPUSH', list .. ARGV[2], data) end
end
return {'ok'}
