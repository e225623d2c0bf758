-- unpark: what is due goes back to the stream it was parked from.
-- ARGV: most at once
-- Answers: how many were due, ms until the next one (-1: none is parked)
local due = call('ZRANGEBYSCORE', LATER, '-inf', now(), 'LIMIT', 0, ARGV[1])
need('stream', P .. 'media', P .. 'llm', P .. 'outbound')
need('zset', BUSY)
for _, member in ipairs(due) do
  call('ZREM', LATER, member)
  local kind, id = string.match(member, '^(%a+):(.*)$')
  local job = kind == 'job' and id or (kind == 'conv' and is_type('hash', chat_key(id)) and call('HGET', chat_key(id), 'job'))
  if job and is_job(job) then
    local r = call('HMGET', job_key(job), 'queue', 'back', 'conv')
    if r[1] == 'later' and r[2] then emit(r[2], job, r[3] or '') end
  end
end
local first = call('ZRANGE', LATER, 0, 0, 'WITHSCORES')
return { #due, first[2] and math.max(0, tonumber(first[2]) - now()) or -1 }
