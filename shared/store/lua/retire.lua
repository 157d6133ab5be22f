-- Begin to delete a corpus or model: from here on no new job may use it.
-- ARGV[2] its id; [3] how long the mark is kept, ms (by then it is gone from the volume)
-- Returns {"ok"} | {"used", id of a live job}
local user = redis.call('SRANDMEMBER', layout.uses .. ARGV[2])
if user then return {'used', user} end
redis.call('SET', layout.retired .. ARGV[2], '1', 'PX', ARGV[3])
return {'ok'}
