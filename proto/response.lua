#!lua flags=allow-oom
-- response: the id of a response, the moment it is known. The first one wins; who loses cancels his own and books it as wasted.
-- ARGV: queue, entry, job, call, response id
-- Answers: {'ok', the winner's id} | {'stale', the winner's id or ''} (ours: what it cost is not wasted, whoever committed has booked it)
local q, e, job, paid_call, id = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if guard(q, e, job) ~= 'live' then
  return { 'stale', call('HGET', job_key(job), 'response:' .. paid_call) or '' }
end
if call('HSETNX', job_key(job), 'response:' .. paid_call, id) == 1 then
  call('HSET', job_key(job), 'born:' .. paid_call, now())
end
return { 'ok', call('HGET', job_key(job), 'response:' .. paid_call) }
