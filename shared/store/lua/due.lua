-- Find the messages that have to be sent now. Each counts as sent then, so that reapers don't send it twice, for some time, so that
-- a lost one is sent again.
-- ARGV[2] for how long, ms; [3] most messages; [4] JSON: queue -> true if the broker's queue has stayed empty
-- Returns {id, queue, id, queue, …}
local now, put_off = now_ms(), tonumber(ARGV[2])
local out = {}
local function take(id, queue)
  out[#out + 1] = id
  out[#out + 1] = queue
  redis.call('HSET', layout.job .. id, 'sent', now)
  redis.call('ZREM', layout.outbox, id)
end
-- What is due later than anything can be due: the server's clock was set back.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', layout.outbox, '(' .. now + put_off, '+inf', 'LIMIT', 0, ARGV[3])) do
  redis.call('ZADD', layout.outbox, now, id)
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', layout.outbox, '-inf', now, 'LIMIT', 0, ARGV[3])) do
  local held = redis.call('HMGET', layout.job .. id, 'status', 'queue')
  if held[1] == 'queued' then take(id, held[2]) else redis.call('ZREM', layout.outbox, id) end
end
-- Sent but not claimed, while later ones were, or while nothing waits in the broker: the message is lost.
for queue, stayed_empty in pairs(cjson.decode(ARGV[4])) do
  local newest = tonumber(redis.call('GET', layout.claimed .. queue) or '0')
  for _, id in ipairs(redis.call('ZRANGE', layout.queue .. queue, 0, tonumber(ARGV[3]) - 1)) do
    local sent = redis.call('HGET', layout.job .. id, 'sent')
    if sent and sent ~= '' and tonumber(sent) > now then
      redis.call('HSET', layout.job .. id, 'sent', now)
    elseif sent and sent ~= '' and now - tonumber(sent) > put_off then
      if stayed_empty or newest - tonumber(sent) >= put_off then take(id, queue) end
    end
  end
end
return out
