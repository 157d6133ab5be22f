-- Note that a worker has stopped.
-- ARGV[2] name
-- Returns {"ok"}
redis.call('DEL', layout.worker .. ARGV[2])
redis.call('ZREM', layout.workers, ARGV[2])
redis.call('HDEL', layout.drains, ARGV[2])
note('worker_left', ARGV[2])
return {'ok'}
