-- Put a job's record in again from what the volume knows of it: the server was emptied.
-- ARGV[2] the record's fields as a JSON object of strings: "status" queued, or how it ended; "created" ms
-- ARGV[3] its losses, JSON list of data JSON
-- Returns {"ok"} | {"exists"}
local job = cjson.decode(ARGV[2])
if redis.call('EXISTS', layout.job .. job.id) == 1 then return {'exists'} end
local now = now_ms()
local ends = #context.transitions[job.status] == 0
if ends and job.finished == '' then job.finished = tostring(now) end
local fields = {}
for name, value in pairs(job) do fields[name] = value end
write(job, fields)
enter_index(job)
for _, data in ipairs(cjson.decode(ARGV[3])) do redis.call('RPUSH', layout.metrics .. job.id, data) end
tell_status(job)
if ends then
  end_job(job, tonumber(job.finished))
else
  for _, resource in ipairs(cjson.decode(job.uses)) do redis.call('SADD', layout.uses .. resource, job.id) end
  enqueue(job, now)
end
return {'ok'}
