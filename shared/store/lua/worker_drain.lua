-- Request a worker to drain: it releases its jobs and takes none, until that is withdrawn or its process ends.
-- ARGV[2] name; [3] "1": drain, "0": take jobs again
-- Returns {"ok"} | {"unknown"}: no such worker is seen
local report = redis.call('GET', layout.worker .. ARGV[2])
if not report then return {'unknown'} end
local owner = cjson.decode(report).owner_id
local known = redis.call('HGET', layout.drains, ARGV[2]) == owner
if ARGV[3] == '1' and not known then
  redis.call('HSET', layout.drains, ARGV[2], owner)
  note('worker_draining', ARGV[2])
elseif ARGV[3] == '0' and known then
  redis.call('HDEL', layout.drains, ARGV[2])
  note('worker_resumed', ARGV[2])
end
return {'ok'}
