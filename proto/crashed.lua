#!lua flags=allow-oom
-- crashed: a job that ran alone in a process of its own has killed it.
-- ARGV: queue, entry, job, run (a name for this one run, so that asking again for a lost reply does not count twice)
-- Answers: crashes of this job so far | 0 (stale)
local q, e, job, run = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if guard(q, e, job) == 'stale' then
  forget(q, e)
  return 0
end
local r = call('HMGET', job_key(job), 'crashes', 'crashed')
if run and r[2] == run then return tonumber(r[1]) end
if run then call('HSET', job_key(job), 'crashed', run) end
return call('HINCRBY', job_key(job), 'crashes', 1)
