#!lua flags=allow-oom
-- doing: what is being done for the job, in one word, for whoever shows it: he is woken when it is something new.
-- ARGV: queue, entry, job, word, bytes of text that there will be when all of it is said ('' = those that are there): it is over as
--       soon as there are more
-- Answers: 1 | 0 (so it was already, or stale)
local q, e, job, word, length = unpack(ARGV, 1, 5)
if guard(q, e, job) ~= 'live' then return 0 end
if length == '' then length = call('STRLEN', text_key(job)) end
local doing = word .. ' ' .. length
if call('HGET', job_key(job), 'doing') == doing then return 0 end
call('HSET', job_key(job), 'doing', doing)
wake(job, 'holder', 'text')
return 1
