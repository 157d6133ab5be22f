-- Write down what an attempt reports: the latest figures into the record, events into the stream, losses into the list.
-- ARGV[2] job id; [3] token; [4] progress JSON or ""; [5] losses JSON or ""; [6] JSON list of [type, data JSON]
-- Returns {"ok", "1" where a cancel is wished else "0"} | {"stale"} | {"gone"}
local key = layout.job .. ARGV[2]
local held = redis.call('HMGET', key, 'status', 'token', 'cancel')
if held[1] ~= 'running' or held[2] ~= ARGV[3] then return not_owned(held[1]) end
if ARGV[4] ~= '' then redis.call('HSET', key, 'progress', ARGV[4]) end
if ARGV[5] ~= '' then redis.call('HSET', key, 'metrics', ARGV[5]) end
if ARGV[4] ~= '' or ARGV[5] ~= '' then redis.call('HINCRBY', key, 'revision', 1) end
for _, event in ipairs(cjson.decode(ARGV[6])) do
  emit(ARGV[2], event[1], event[2])
  if event[1] == 'metric' then redis.call('RPUSH', layout.metrics .. ARGV[2], event[2]) end
  if event[1] == 'sample' then
    -- Beside the stream, which is capped and in a long training loses early events.
    redis.call('RPUSH', layout.samples .. ARGV[2], event[2])
    redis.call('LTRIM', layout.samples .. ARGV[2], -200, -1)
  end
end
return {'ok', held[3]}
