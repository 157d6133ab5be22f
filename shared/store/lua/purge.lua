-- Delete jobs that ended long ago, with their events and losses.
-- ARGV[2] age, ms; [3] most jobs
-- Returns {id, …}
local gone = redis.call('ZRANGEBYSCORE', layout.ended, '-inf', now_ms() - tonumber(ARGV[2]), 'LIMIT', 0, ARGV[3])
for _, id in ipairs(gone) do
  local job = load_job(id)
  if job then leave_index(job) end
  redis.call('DEL', layout.job .. id, layout.events .. id, layout.metrics .. id, layout.samples .. id)
  redis.call('ZREM', layout.ended, id)
end
return gone
