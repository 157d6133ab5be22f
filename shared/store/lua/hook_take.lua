-- Take the webhook message that has been due longest. It is due again after some time, in case its sender dies.
-- ARGV[2] that time, ms
-- Returns {"ok", id, job id, type, url, created ms, number of this try, the webhook's secret or ""} | {"none"}
local now = now_ms()
for _, id in ipairs(redis.call('ZRANGEBYSCORE', layout.hooks, '-inf', now, 'LIMIT', 0, 10)) do
  local hook = redis.call('HMGET', layout.hook .. id, 'job', 'type', 'url', 'created')
  if hook[1] then
    redis.call('ZADD', layout.hooks, now + tonumber(ARGV[2]), id)
    local tries = redis.call('HINCRBY', layout.hook .. id, 'tries', 1)
    -- No field: the record is an older version's, or gone.
    return {'ok', id, hook[1], hook[2], hook[3], hook[4], tries, redis.call('HGET', layout.job .. hook[1], 'webhook_secret') or ''}
  end
  redis.call('ZREM', layout.hooks, id)
end
return {'none'}
