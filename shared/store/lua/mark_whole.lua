-- Note that the records agree with the volume, unless the server was emptied while that was made sure.
-- ARGV[2] the mark that stood when it began
-- Returns {"ok"} | {"no"}
if redis.call('GET', layout.whole) ~= ARGV[2] then return {'no'} end
redis.call('SET', layout.whole, '1')
return {'ok'}
