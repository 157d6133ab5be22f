-- End a try to deliver a webhook message.
-- ARGV[2] message id; [3] ms until the next try, or "" if there is none; [4] "delivered" | "put_off" | "dropped"
-- Returns {"ok"} | {"gone"}: another sender has ended it
local key = layout.hook .. ARGV[2]
count('hooks:' .. ARGV[4])
if redis.call('EXISTS', key) == 0 then return {'gone'} end
if ARGV[3] == '' then
  redis.call('DEL', key)
  redis.call('ZREM', layout.hooks, ARGV[2])
else
  redis.call('ZADD', layout.hooks, now_ms() + tonumber(ARGV[3]), ARGV[2])
end
return {'ok'}
