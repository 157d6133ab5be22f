-- Note that the records agree with the volume, unless the server was emptied while they were compared.
-- ARGV[2] the mark at the start of the comparison
-- Returns {"ok"} | {"no"}
if redis.call('GET', layout.whole) ~= ARGV[2] then return {'no'} end
redis.call('SET', layout.whole, '1')
return {'ok'}
