-- accept: one update of Telegram becomes a job, once. The update may be confirmed only after this has answered.
-- ARGV: update, job, conv ('' = direct; with `first` = ledger it is answered there), lane_max (-1: only as a further part of a question), gather (whose parts find each other, '' none),
--       open_ms (a further part may follow within that time; 0: this is whole), edit ('edit': a text that was sent before, changed),
--       n, n × (name, value)   fields of the job: what was asked; per_min (questions that one user may ask in a minute; 0 or not there: no limit);
--       user_models (USER_MODELS: which model a user may have of his own; '' or not there: none)
-- Answers: 'ok' | 'dup' (accepted before) | 'full' (the lane is: a direct job says so instead) | 'joined' (to the question before it)
--        | 'same' (an edit that changed nothing, or a question that waits still and now reads so) | 'old' (an edit of an older question: a
--        direct job says what to do) | 'other' (not a part of anything: nothing was done, the update is not seen)
--        | 'refused' (that user may not) | 'fast' (he asks too much): a direct job says so
local update, job, conv, lane_max = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4])
local gather, open_ms, edit = ARGV[5], tonumber(ARGV[6]), ARGV[7]
local fields, behind = pairs_at(9, tonumber(ARGV[8]))
local per_min, user_models = tonumber(ARGV[behind]), ARGV[behind + 1]
local MOST = 10                          -- pictures of an album, as Telegram has it
local is_album = string.sub(gather, 1, 6) == 'album:'
local asked = by_name(fields)
local chat = asked.chat or ''
local no = is_refused(asked)
need('hash', job_key(job))
if no then need('set', P .. 'admins') end
local function files_of(list)            -- those of the fields that say which file it is about
  local found = {}
  for i = 1, #list, 2 do
    if string.match(list[i], '^files?$') or string.match(list[i], '^file:%d') then found[#found + 1], found[#found + 2] = list[i], list[i + 1] end
  end
  return found
end
if conv == '' then
  need_to_move('')
  if asked.first == 'ledger' then need('stream', LEDGER) end
  if seen_before(update) then return 'dup' end
  is_heard_from(chat)
  if no then return refuse(job, fields, asked, no) end
  if asked.what == 'model' and is_too_fast(asked, per_min) then return slow_down(job, fields, asked, per_min) end     -- it writes for good
  if not asked.callback then call('DEL', ask_key(asked)) end             -- a command ends what /img has left open
  if asked.asks then ask(asked, asked.asks, job, unpack(files_of(fields))) end
  direct(job, fields)
  return 'ok'
end

local old = former(conv)
local at = old or conv
local in_hand, epoch, last, last_job = unpack(call('HMGET', chat_key(at), 'job', 'epoch', 'last', 'last_job'))
local message = tonumber(asked.message)
last = tonumber(last or '')
local waiting = call('LLEN', lane_key(at))
local tail = waiting > 0 and call('LINDEX', lane_key(at), -1) or in_hand
need_to_move(at)

-- Is that question still waiting for further parts of this kind? Words must not have been sent before its own (of two that accept
-- at once the slower one has them), nor at another time; pictures of one album are, in whatever order they come.
local function is_open(question)
  if not call('HGET', job_key(question), 'gather') then return nil end          -- most are not, and need not be read
  local q = by_name(call('HGETALL', job_key(question)))
  if q.gather ~= gather or q.stop then return nil end
  if (tonumber(q.open) or 0) <= now() or (question == in_hand and q.queue ~= 'later') then return nil end
  if #q.text + #asked.text >= 262144 then return nil end
  if is_album then return q end
  local apart = math.abs((tonumber(asked.asked) or 0) - (tonumber(q.asked) or 0))        -- by Telegram's seconds
  return apart <= 2 and not (message and last and message <= last) and q
end

-- The further words of a text.
local function words(q)
  return { 'text', q.text .. (q.seam or '') .. asked.text, 'seam', asked.seam or '', 'asked', asked.asked or '' }, open_ms == 0
end

-- A further picture of an album, behind those that are there; whichever has words under it says what is asked.
local function files(q)
  local had, more = tonumber(q.files), tonumber(asked.files)
  local list = { 'files', had + more }
  for i = 1, #fields, 2 do
    local n, what = string.match(fields[i], '^file:(%d+)(.*)$')
    if n then list[#list + 1], list[#list + 2] = 'file:' .. had + n .. what, fields[i + 1] end
  end
  if q.text == '' then list[#list + 1], list[#list + 2] = 'text', asked.text end
  return list, had + more >= MOST
end

local function join(question, q)
  local more, whole = (is_album and files or words)(q)
  call('HSET', job_key(question), unpack(more))
  call('HINCRBY', job_key(question), 'parts', 1)
  if message and message > (last or 0) then call('HSET', chat_key(conv), 'last', message) end
  if not whole then
    call('HSET', job_key(question), 'open', now() + open_ms)
    if question == in_hand then call('ZADD', LATER, now() + open_ms, 'conv:' .. conv) end
    return
  end
  call('HDEL', job_key(question), 'open', 'gather', 'seam')
  if question == in_hand then hurry(question, conv) end
end

-- Does this answer what /img has left open? 'prompt': so it is to be drawn; 'more': a further part of that; 'corrected': an edit of it.
local open = asked.kind == 'text' and by_name(call('HGETALL', ask_key(asked))) or {}
local function answers()
  if not string.find(asked.words or asked.text or '', '%S') then return nil end        -- only the bot's name is no prompt
  if open.step == 'prompt' then return edit == '' and 'prompt' end
  if open.step ~= 'size' then return nil end
  if edit ~= '' then return message and open.message == asked.message and 'corrected' end
  return gather ~= '' and open.gather == gather and (tonumber(open.open) or 0) > now() and #open.text + #asked.text < 262144 and 'more'
end
local function take_answer(what)
  local words = asked.words or asked.text
  if what == 'prompt' then
    local kept = {}
    for name, value in pairs(open) do kept[#kept + 1], kept[#kept + 2] = name, value end
    ask(asked, 'size', job, 'text', words, 'message', asked.message or '', 'conv', conv, 'gather', gather, 'open', now() + open_ms,
      'seam', asked.seam or '', unpack(files_of(kept)))
    if message and message > (last or 0) then call('HSET', chat_key(conv), 'last', message, 'last_job', job) end
    say_line(job, fields, 'ask_size')
  elseif what == 'more' then
    call('HSET', ask_key(asked), 'text', open.text .. open.seam .. words, 'seam', asked.seam or '', 'open', now() + open_ms)
  else
    call('HSET', ask_key(asked), 'text', words)
  end
end

-- What an edit of that message means: nil (a question like any other), or one of our answers.
local function edited()
  if not last or not message or message > last then return nil end
  local text, parts, kind = unpack(call('HMGET', job_key(last_job), 'text', 'parts', 'kind'))
  if message < last or parts or kind == 'image' or kind == 'line' then return 'old' end
  if text == asked.text then return 'same' end
  return waiting > 0 and tail == last_job and 'changed' or nil
end

local change = edit ~= '' and edited()
local models = models_of(asked.user, user_models)
local first_part = gather ~= '' and edit == '' and tail and is_open(tail)
local answer = answers()
if is_seen(update) then return 'dup' end
if lane_max < 0 and (no or not first_part and answer ~= 'more') then return 'other' end
mark_seen(update)
is_heard_from(chat)
if no and is_album and not call('SET', P .. 'full:' .. conv .. ':' .. gather, 1, 'NX', 'EX', 60) then no = 'quiet' end         -- told at its first picture
if no then return refuse(job, fields, asked, no) end
if old then move(old, conv) end
if answer then take_answer(answer) elseif asked.kind ~= 'text' then call('DEL', ask_key(asked)) end
call('EXPIRE', chat_key(conv), 60 * DAY)
if answer then return answer == 'prompt' and 'ok' or answer == 'more' and 'joined' or 'same' end
if first_part then
  join(tail, first_part)
  return 'joined'
end
if change == 'old' then
  say_line(job, fields, 'edit_old')
  return 'old'
elseif change then
  call('HSET', job_key(last_job), 'text', asked.text)
  return 'same'
end
if is_too_fast(asked, per_min) then return slow_down(job, fields, asked, per_min) end
if in_hand and waiting >= lane_max then
  local told = is_album and not call('SET', P .. 'full:' .. conv .. ':' .. gather, 1, 'NX', 'EX', 60)      -- at its first picture
  if not told then say_line(job, fields, 'lane_full') end
  return 'full'
end
call('HSET', job_key(job), 'conv', conv, 'epoch', epoch or '0', unpack(fields))
put_models(job, models)
if open_ms > 0 then call('HSET', job_key(job), 'gather', gather, 'open', now() + open_ms) end
call('HSET', chat_key(conv), 'last', asked.message or '', 'last_job', job)
note_message(conv, asked.message)
call('RPUSH', lane_key(conv), job)
if not in_hand then dispatch(conv) end
call('EXPIRE', chat_key(conv), 60 * DAY)
return 'ok'
