#!lua flags=allow-oom
-- stop: outbound found that nobody can be answered: the work behind the answer may end.
-- ARGV: entry, job, why ('gone': blocked or deleted; 'mute': the bot may not write in that chat, which its administrators hear; 'stop': only this one)
-- Answers: 'ok' | 'stale'
local e, job, why = ARGV[1], ARGV[2], ARGV[3]
local is, conv = guard('outbound', e, job)
local chat = call('HGET', job_key(job), 'chat')
if is == 'stale' then return 'stale' end
need_to_move(conv)
if why == 'mute' then need('set', P .. 'admins') end
call('HSETNX', job_key(job), 'stop', why == 'mute' and 'gone' or why)
if why == 'gone' and chat then call('SET', P .. 'gone:' .. chat, 1, 'EX', 60 * DAY) end     -- nor what waits behind it
if why == 'mute' and chat then                       -- people go on asking there; each of them would be paid for and not be heard
  call('SET', P .. 'gone:' .. chat, 'mute', 'EX', 600)
  alert('mute', chat)
end
wake(job, 'worker', 'stop')
hurry(job, conv)
return 'ok'
