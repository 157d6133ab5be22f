-- Forget jobs that ended long ago, their events and losses with them.
-- ARGV[2] age, ms; [3] jobs at most
-- Returns {id, …}
local gone = redis.call('ZRANGEBYSCORE', layout.ended, '-inf', now_ms() - tonumber(ARGV[2]), 'LIMIT', 0, ARGV[3])
for _, id in ipairs(gone) do
  local job = load_job(id)
  if job then leave_index(job) end
  redis.call('DEL', layout.job .. id, layout.events .. id, layout.metrics .. id, layout.samples .. id)
  redis.call('ZREM', layout.ended, id)
end
return gone
