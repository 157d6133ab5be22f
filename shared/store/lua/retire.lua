-- Begin to delete a corpus or model: from here on no new job may use it. Jobs that use it and that nobody submitted are cancelled.
-- ARGV[2] its id; [3] how long the mark is kept, ms (by then it is gone from the volume)
-- [4] JSON list of the types of jobs that nobody submitted
-- Returns {"ok", ids of jobs that were cancelled, …} | {"used", id of a live job}
local automatic, found = {}, {}
for _, kind in ipairs(cjson.decode(ARGV[4])) do automatic[kind] = true end
for _, id in ipairs(redis.call('SMEMBERS', layout.uses .. ARGV[2])) do
  local job = load_job(id)
  if not job or not automatic[job.type] or job.sealed ~= '' then return {'used', id} end
  found[#found + 1] = job
end
local reply, now = {'ok'}, now_ms()
for _, job in ipairs(found) do
  if shown(job) ~= 'cancelling' then
    cancel(job, now)
    reply[#reply + 1] = job.id
  end
end
redis.call('SET', layout.retired .. ARGV[2], '1', 'PX', ARGV[3])
return reply
