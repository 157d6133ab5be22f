-- End the lease of a job whose process is known to be dead, so that it is reaped next.
-- ARGV[2] the job that the message named, which the process had taken; [3] owner_id
-- Returns {"ok"} | {"stale"}: another process holds it
for _, id in ipairs(redis.call('ZRANGE', layout.running, 0, -1)) do
  local job = redis.call('HMGET', layout.job .. id, 'owner_id', 'message')
  local message = job[2]
  if not message or message == '' then message = id end
  if job[1] == ARGV[3] and message == ARGV[2] then
    redis.call('HSET', layout.job .. id, 'lease_until', 0)
    redis.call('ZADD', layout.running, 0, id)
    return {'ok'}
  end
end
return {'stale'}
