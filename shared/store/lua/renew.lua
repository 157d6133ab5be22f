-- Renew a lease; writes only when a fifth of it is gone, so that it can be called often, to see a request to cancel early.
-- ARGV[2] job id; [3] token; [4] lease, ms
-- Returns {"ok", "1" if a cancel is requested else "0"} | {"stale"} | {"gone"}
local key = layout.job .. ARGV[2]
local held = redis.call('HMGET', key, 'status', 'token', 'cancel', 'lease_until')
if held[1] ~= 'running' or held[2] ~= ARGV[3] then return not_owned(held[1], 'renew') end
local now, lease = now_ms(), tonumber(ARGV[4])
local left = tonumber(held[4]) - now
if left < lease * 0.8 or left > lease then  -- more than its full duration: the server's clock was set back
  redis.call('HSET', key, 'lease_until', now + lease)
  redis.call('ZADD', layout.running, now + lease, ARGV[2])
end
return {'ok', held[3]}
