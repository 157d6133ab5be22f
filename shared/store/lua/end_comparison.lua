-- Note that the records agree with the volume, unless the server was emptied or replaced while they were compared.
-- ARGV[2] the mark that `begin_comparison` returned: the history, and what distinguishes comparisons
-- Returns {"ok"} | {"no"}
if redis.call('GET', layout.compared) ~= ARGV[2] then return {'no'} end
redis.call('SET', layout.compared, string.match(ARGV[2], '^%S+'))
return {'ok'}
