-- Add a new job's record, queued, its message due.
-- ARGV[2] the record's fields as a JSON object of strings; [3] when its message is due, in ms: time for the creator to send it
-- [4] most waiting jobs of its caller, 0: any number
-- [5] JSON: what its owner's live jobs may store: {"model": …, "text": …, "bytes": …}, what isn't limited left out
-- Returns {"ok" | "exists", the record: {name, value, …}, jobs before it in its queue or nil}
--   | {"full", how many wait} | {"quota", "model", "text" or "bytes"} | {"retired", id of the corpus or model that is being deleted}
local job = cjson.decode(ARGV[2])
local function current(word)
  return {word, redis.call('HGETALL', layout.job .. job.id), redis.call('ZRANK', layout.queue .. job.queue, job.id)}
end
if redis.call('EXISTS', layout.job .. job.id) == 1 then return current('exists') end
local uses = cjson.decode(job.uses)
for _, resource in ipairs(uses) do
  if redis.call('EXISTS', layout.retired .. resource) == 1 then return {'retired', resource} end
end
if tonumber(ARGV[4]) > 0 then
  local waiting = redis.call('SCARD', layout.waiting .. job.caller)
  if waiting >= tonumber(ARGV[4]) then return {'full', waiting} end
end
local room = cjson.decode(ARGV[5])
if job.makes ~= '' and next(room) then
  local kind, bytes = string.match(job.makes, '(%a+):(%d+)')
  local found = reserved(job.owner)
  for name, more in pairs({[kind] = 1, bytes = tonumber(bytes)}) do
    if room[name] and found[name] + more > room[name] then return {'quota', name} end
  end
end
local now = now_ms()
job.created, job.queued = tostring(now), tostring(now)
local fields = {}
for name, value in pairs(job) do fields[name] = value end
write(job, fields)
for _, resource in ipairs(uses) do redis.call('SADD', layout.uses .. resource, job.id) end
reserve(job)
enter_index(job)
enter_queue(job, now)
redis.call('ZADD', layout.outbox, now + tonumber(ARGV[3]), job.id)
emit_status(job)
count('created:' .. job.type)
return current('ok')
