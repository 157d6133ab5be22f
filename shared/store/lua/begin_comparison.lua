-- Begin to compare the records with the volume.
-- ARGV[2] id of the server's history; [3] a new mark
-- Returns {"ok", mark}: that of a comparison of this history that has begun, or the new one; of one that is over, its history
local held = redis.call('GET', layout.compared) or ''
if string.match(held, '^%S+') ~= ARGV[2] then
  held = ARGV[2] .. ' ' .. ARGV[3]
  redis.call('SET', layout.compared, held)
end
return {'ok', held}
