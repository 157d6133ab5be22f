-- Note that a worker is alive, and which others no longer are.
-- ARGV[2] name; [3] owner_id; [4] its report, a JSON object without seen_ms; [5] ms after which a silent worker is gone
-- Returns {"ok", the report under this name before or "", "1" if it is to drain else "0"}
local now, key = now_ms(), layout.worker .. ARGV[2]
local before = redis.call('GET', key)
local seen = string.sub(ARGV[4], 1, -2) .. ', "seen_ms": ' .. string.format('%d', now) .. '}'
redis.call('SET', key, seen, 'PX', ARGV[5])
redis.call('ZADD', layout.workers, now, ARGV[2])
for _, name in ipairs(redis.call('ZRANGEBYSCORE', layout.workers, '-inf', now - tonumber(ARGV[5]))) do
  redis.call('ZREM', layout.workers, name)
  note('worker_lost', name)
end
-- Not where another process of this name reports itself too: they would fill the list.
if not before then note('worker_joined', ARGV[2]) end
local drain = redis.call('HGET', layout.drains, ARGV[2])
if drain and drain ~= ARGV[3] then redis.call('HDEL', layout.drains, ARGV[2]) end
return {'ok', before or '', drain == ARGV[3] and '1' or '0'}
