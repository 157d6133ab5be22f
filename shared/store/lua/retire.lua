-- Begin to delete a corpus or model: no job may take it into use from here on.
-- ARGV[2] its id; [3] how long the mark stands, ms (it is gone from the volume by then)
-- Returns {"ok"} | {"used", id of a live job}
local user = redis.call('SRANDMEMBER', layout.uses .. ARGV[2])
if user then return {'used', user} end
redis.call('SET', layout.retired .. ARGV[2], '1', 'PX', ARGV[3])
return {'ok'}
