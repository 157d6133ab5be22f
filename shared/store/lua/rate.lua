-- Count a request against a caller's rate, or return when it may come again. The generic cell rate algorithm: one number, the time
-- at which the caller's full allowance is back, which every request postpones by the time that one request is worth.
-- ARGV[2] caller; [3] requests at once and in each period; [4] period, ms
-- Returns {"ok" | "no", requests left, ms until the full allowance is back, ms until the next request ("no" only)}
local key, now, period = layout.rate .. ARGV[2], now_ms(), tonumber(ARGV[4])
local worth = period / tonumber(ARGV[3])
local full_at = math.max(now, tonumber(redis.call('GET', key) or '0'))
if full_at > now + period then full_at = now + period end  -- the server's clock was set back, or the rate changed
local after = full_at + worth
if after > now + period + 0.001 then
  return {'no', 0, math.ceil(full_at - now), math.ceil(after - period - now)}
end
redis.call('SET', key, string.format('%.3f', after), 'PX', math.ceil(after - now))
return {'ok', math.floor((now + period - after) / worth + 0.001), math.ceil(after - now)}
