-- Begin a request that has an idempotency key, or return its outcome. The key's record is a hash: "fingerprint" of the request,
-- "job" the id that its job has or will have, "owner_id" of who works on it, "until" when that right ends, "answer".
-- ARGV[2] the key's name; [3] fingerprint; [4] job id to use if the key is new; [5] owner_id; [6] duration of the right, ms;
-- [7] how long the key is kept, ms
-- Returns {"yours", job id} | {"answered", answer} | {"held"}: another works on it now | {"other"}: of another request
local key, now = layout['repeat'] .. ARGV[2], now_ms()
local held = redis.call('HMGET', key, 'fingerprint', 'job', 'until', 'answer', 'owner_id')
local job_id = held[2] or ARGV[4]
if held[1] and held[1] ~= ARGV[3] then return {'other'} end
if held[4] then return {'answered', held[4]} end
-- The owner asks again if the reply was lost and the command is sent once more.
if held[3] and tonumber(held[3]) > now and held[5] ~= ARGV[5] then return {'held'} end
redis.call('HSET', key, 'fingerprint', ARGV[3], 'job', job_id, 'owner_id', ARGV[5], 'until', now + tonumber(ARGV[6]))
if not held[1] then redis.call('PEXPIRE', key, ARGV[7]) end
return {'yours', job_id}
