-- Keep the answer to a request that has an idempotency key. If two processes worked on it, the first answer counts.
-- ARGV[2] the key's name; [3] answer
-- Returns {"ok", the answer that counts}
local key = layout['repeat'] .. ARGV[2]
if redis.call('EXISTS', key) == 0 then return {'ok', ARGV[3]} end
redis.call('HSETNX', key, 'answer', ARGV[3])
return {'ok', redis.call('HGET', key, 'answer')}
