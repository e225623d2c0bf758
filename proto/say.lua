#!lua flags=allow-oom
-- say: the answer so far grows. It is never rewritten; a lost reply is asked again, and the length tells that it was done.
-- ARGV: queue, entry, job, length before, more, call, response (whose words these are; both may be left out)
-- Answers: length now (not before + #more: somebody else wrote; go on from there) | -1 (stale, or another one has given this
--          response up as lost and begun anew)
local q, e, job, before, more = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
if guard(q, e, job) ~= 'live' then return -1 end
local told = call('HMGET', job_key(job), 'response:' .. (ARGV[6] or ''), 'said')
if ARGV[7] and told[1] ~= ARGV[7] then return -1 end
local length = call('STRLEN', text_key(job))
if length ~= before then return length end
length = call('APPEND', text_key(job), more)
if before == (tonumber(told[2]) or 0) then wake(job, 'holder', 'text') end      -- first words early; after that the follower's own pace
return length
