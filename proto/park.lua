-- park: later, without holding a worker or a pending entry. The lane stays held.
-- ARGV: queue, entry, job, wait_ms, failed ('1': this counts as a failed try of the step),
--       unsent (may be left out: the call whose last request begin has counted and which never left us: that was no try)
-- Answers: {'ok', failed tries so far} | {'stale'} | {'early'} (a follow entry waits in its holder's hands)
local q, e, job, wait_ms, failed, unsent = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6] or ''
local is, conv = guard(q, e, job)
if is == 'follow' then return { 'early' } end
if is == 'stale' then
  forget(q, e)
  return { 'stale' }
end
if q ~= 'outbound' and call('HEXISTS', job_key(job), 'stop') == 1 then wait_ms = 0 end       -- it was told to stop meanwhile
local due = now() + wait_ms
local posts = unsent ~= '' and tonumber(call('HGET', job_key(job), 'posts:' .. unsent)) or 0
need_to_move(conv)
need('zset', LATER)
ack(q, e)
call('HSET', job_key(job), 'queue', 'later', 'entry', '', 'back', q)
if q == 'outbound' then call('HSET', job_key(job), 'follow', '') end      -- it was that entry: or asked again we would say 'early'
if conv == '' then call('EXPIRE', job_key(job), 7 * DAY + math.ceil(math.max(0, wait_ms) / 1000)) end
if posts > 0 then
  call('HSET', job_key(job), 'posts:' .. unsent, posts - 1)
  call('HDEL', job_key(job), 'begun:' .. unsent)
end
call('HINCRBY', job_key(job), 'parks', 1)
call('ZADD', LATER, due, conv ~= '' and 'conv:' .. conv or 'job:' .. job)
if conv ~= '' then call('ZADD', BUSY, now(), conv) end
return { 'ok', call('HINCRBY', job_key(job), 'attempts', failed == '1' and 1 or 0) }
