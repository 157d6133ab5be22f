-- Restore a job's record from the volume, after the server was emptied.
-- ARGV[2] the record's fields as a JSON object of strings: "status" queued, or how it ended ("finished" ms, "": now), or running if
--   an attempt may still run: under its "token" it continues, otherwise its lease expires; "created" ms
-- ARGV[3] its losses, JSON list of data JSON; [4] lease of a running one, ms
-- Returns {"ok"} | {"exists"}
local job = cjson.decode(ARGV[2])
if redis.call('EXISTS', layout.job .. job.id) == 1 then return {'exists'} end
local now = now_ms()
local ends = #context.transitions[job.status] == 0
if job.status == 'running' then
  job.turn = '0'  -- it has had its turn
  job.started, job.lease, job.lease_until = tostring(now), ARGV[4], tostring(now + tonumber(ARGV[4]))
end
if ends and job.finished == '' then job.finished = tostring(now) end
local fields = {}
for name, value in pairs(job) do fields[name] = value end
write(job, fields)
enter_index(job)
for _, data in ipairs(cjson.decode(ARGV[3])) do redis.call('RPUSH', layout.metrics .. job.id, data) end
emit_status(job)
if ends then
  -- Redis may have had an undelivered message to its webhook. After a day it would have been dropped.
  if now - tonumber(job.finished) > 86400000 then job.webhook = '' end
  end_job(job, tonumber(job.finished))
else
  reserve(job)
  for _, resource in ipairs(cjson.decode(job.uses)) do redis.call('SADD', layout.uses .. resource, job.id) end
  if job.status == 'queued' then enqueue(job, now) else redis.call('ZADD', layout.running, job.lease_until, job.id) end
end
return {'ok'}
