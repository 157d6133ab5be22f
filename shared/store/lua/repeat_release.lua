-- Abandon a request that has an idempotency key. Only the newest owner may, and only while there is no answer.
-- ARGV[2] the key's name; [3] owner_id; [4] "1": nothing was made, delete the key; "0": keep it and its job id for the next try
-- Returns {"ok"} | {"stale"}
local key = layout['repeat'] .. ARGV[2]
local held = redis.call('HMGET', key, 'owner_id', 'answer')
if held[1] ~= ARGV[3] or held[2] then return {'stale'} end
if ARGV[4] == '1' then redis.call('DEL', key) else redis.call('HSET', key, 'until', 0) end
return {'ok'}
