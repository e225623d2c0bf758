#!lua flags=allow-oom
-- control: what does not queue. The mark is on the job in hand, so it cannot hit the next one.
-- ARGV: update, job (the direct one that answers), conv, what ('stop' | 'new' | 'gone': nobody is there any more | 'back': somebody is
--       | 'forget': as 'new', with all else that is kept of that user, whom the ledger is to forget then; not while an answer is being made),
--       target (the job whose button was pressed; '<update>-': the draft of that question has it; '' = whatever runs), n, n × (name, value)   fields of the direct job; with `callback` it is always made
-- Answers: 'dup' | 'stopped' (something was running) | 'idle' | 'busy' | 'denied' (the button is another one's) | 'refused' (as of accept)
local update, job, conv, what, target = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local fields = pairs_at(7, tonumber(ARGV[6]))
local asked = by_name(fields)
local gone = P .. 'gone:' .. (asked.chat or '')
if what == 'back' then
  if seen_before(update) then return 'dup' end
  call('DEL', gone)
  return 'idle'
end
local no = what ~= 'gone' and is_refused(asked)
if no then need('set', P .. 'admins') end
conv = conv_of_button(target, conv, asked.chat)
local old = former(conv)
local at = old or conv
local running = call('HGET', chat_key(at), 'job')
local of_draft = string.sub(target, -1) == '-'      -- nobody waits for a word about it
local is_meant = target == '' or running == target or (of_draft and running and string.sub(running, 1, #target) == target)
if not is_meant then running = nil end
local forgets = what == 'forget'
local flushes = what == 'new' or what == 'gone' or forgets
local uploads = (what == 'new' or forgets) and call('HKEYS', uploads_key(at)) or {}
if forgets then
  local shelf = call('HGETALL', library_key(asked.user or ''))
  for i = 1, #shelf, 2 do uploads[#uploads + 1] = shelf[i] == 'store' and shelf[i + 1] or shelf[i] end
  need('stream', LEDGER)
end
if #uploads > 0 then need('hash', job_key(job .. '-files')) end
local waiting = flushes and call('LRANGE', lane_key(at), 0, -1) or {}   -- bounded by LANE_MAX
need_to_move(at)
need('hash', job_key(job))
need('zset', BLOBS)
for _, flushed in ipairs(waiting) do need('hash', job_key(flushed)) end
local alive = running and call('HEXISTS', job_key(running), 'conv') == 1      -- else the auditor's
local denied = alive and target ~= '' and asked.role ~= 'admin' and call('HGET', job_key(running), 'user') ~= asked.user
if seen_before(update) then return 'dup' end
if no then return refuse(job, fields, asked, no) end
if forgets and alive then
  say_line(job, fields, 'retry_busy')
  return 'busy'
end
if old then move(old, conv) end
if what ~= 'gone' then is_heard_from(asked.chat or '') end
local closed = not asked.callback and not of_draft and call('DEL', ask_key(asked)) == 1       -- what /img has left open
if denied then
  say_line(job, fields, 'not_yours')
  return 'denied'
end
if alive then
  call('HSETNX', job_key(running), 'stop', what)
  if what == 'stop' and not asked.callback and not of_draft then call('HSET', job_key(running), 'stop_said', 1) end     -- it is to be answered
  for _, field in ipairs({ 'worker', 'holder' }) do
    if wake(running, field, 'stop') == 0 then pass_on(running, conv, field) end
  end
  hurry(running, conv)
end
if flushes then
  for _, flushed in ipairs(waiting) do
    call('HSET', job_key(flushed), 'how', what == 'gone' and 'undeliverable' or 'flushed', 'ended', now())
    call('HINCRBY', job_key(flushed), 'ends', 1)
    expire_job(flushed)
  end
  call('DEL', lane_key(conv))
end
if what == 'gone' then
  call('SET', gone, 1, 'EX', 60 * DAY)
  return running and 'stopped' or 'idle'
end
if what == 'new' or forgets then
  local epoch = (tonumber(call('HGET', chat_key(conv), 'epoch')) or 0) + 1
  call('DEL', chat_key(conv))
  call('HSET', chat_key(conv), 'epoch', epoch)
  if running then call('HSET', chat_key(conv), 'job', running) end
  call('EXPIRE', chat_key(conv), 60 * DAY)
  if #uploads > 0 then
    call('DEL', uploads_key(conv))
    forget_files(job .. '-files', asked.chat or '', asked.user or '', uploads)
  end
  if forgets then
    call('DEL', library_key(asked.user or ''), ask_key(asked), knock_key(asked.user or ''))
    direct(job, fields)
  else
    say_line(job, fields, 'forgotten', #waiting)
  end
elseif not running and not of_draft then
  say_line(job, fields, closed and 'ask_closed' or 'nothing_to_stop')
elseif asked.callback then
  direct(job, fields)
end
return running and 'stopped' or 'idle'
