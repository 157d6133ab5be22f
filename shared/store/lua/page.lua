-- List jobs by their ids, so by time: merge indexes, which each hold their ids in order.
-- ARGV[2] JSON list of the indexes' keys; [3] id after which to start, or ""; [4] most jobs; [5] "1": newest first, "0": oldest
-- Returns {"ok", 1 if more follow else 0, {record, jobs before it in its queue or nil, …}}; a record: {name, value, …}
local limit, newest_first = tonumber(ARGV[4]), ARGV[5] == '1'
local from, to = '-', '+'
if newest_first then from, to = '+', '-' end
if ARGV[3] ~= '' then from = '(' .. ARGV[3] end

-- By bytes, like the indexes: Lua's < depends on the server's locale.
local function less(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local lists, left = {}, 0
for _, key in ipairs(cjson.decode(ARGV[2])) do
  local ids
  if newest_first then
    ids = redis.call('ZREVRANGEBYLEX', key, from, to, 'LIMIT', 0, limit + 1)
  else
    ids = redis.call('ZRANGEBYLEX', key, from, to, 'LIMIT', 0, limit + 1)
  end
  left = left + #ids
  lists[#lists + 1] = {ids = ids, next = 1}
end
local found = {}
for _ = 1, math.min(limit, left) do
  local best, id
  for _, list in ipairs(lists) do
    local head = list.ids[list.next]
    if head and (not id or less(head, id) ~= newest_first) then best, id = list, head end
  end
  best.next = best.next + 1
  local record = redis.call('HGETALL', layout.job .. id)
  if #record > 0 then
    found[#found + 1] = record
    found[#found + 1] = redis.call('ZRANK', layout.queue .. redis.call('HGET', layout.job .. id, 'queue'), id)
  end
end
return {'ok', left > limit and 1 or 0, found}
