-- Set the list of losses to what a resumed attempt's state knows: what was measured after its checkpoint will be again.
-- ARGV[2] job id; [3] token; [4] JSON list of data JSON
-- Returns {"ok"} | {"stale"}
if not owns(load_job(ARGV[2]), ARGV[3]) then return {'stale'} end
redis.call('DEL', layout.metrics .. ARGV[2])
for _, data in ipairs(cjson.decode(ARGV[4])) do redis.call('RPUSH', layout.metrics .. ARGV[2], data) end
return {'ok'}
