-- retry: the last question of a conversation once more, from where it was asked the first time. The new answer takes the old one's place:
-- in the chat, whose messages the new job goes on with, and in the dialogue.
-- ARGV: update, job, conv, target (the job whose button was pressed; '' = the last one), n, n × (name, value)   who asks for it: as of any direct job; per_min and user_models as of accept
-- Answers: 'ok' | 'dup' | 'busy' (something is in hand) | 'none' (there is nothing to repeat, or it is too long ago) | 'denied' (it is another one's) | 'refused' | 'fast' (as of accept)
local WHAT = { 'kind', 'first', 'text', 'reply', 'reply_name', 'reply_bot', 'quote', 'forward', 'edited', 'parts',
  'files', 'heard', 'size', 'v' }
local MORE = { '^file:%d', '^input:%d+$', '^booked:%d+$', '^response:heard:%d+$', '^born:heard:%d+$', '^response:upload:%d+$', '^born:upload:%d+$' }
local HERE = { 'topic', 'message' }              -- what has a meaning in that chat alone: a group that has moved has other numbers
local WHERE = { 'chat', 'chat_type' }
local update, job, conv, target = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local fields, behind = pairs_at(6, tonumber(ARGV[5]))
local per_min, user_models = tonumber(ARGV[behind]), ARGV[behind + 1]
local asked = by_name(fields)
local no = is_refused(asked)
local models = models_of(asked.user, user_models)
if no then need('set', P .. 'admins') end
conv = conv_of_button(target, conv, asked.chat)
local old = former(conv)
local at = old or conv
local chat = by_name(call('HGETALL', chat_key(at)))
local last = chat.last_job
local was = last and by_name(call('HGETALL', job_key(last))) or {}
need_to_move(at)
need('hash', job_key(job), job_key(job .. '-press'))
if was.prelude then need('string', text_key(last), text_key(job)) end

local function verdict()
  if not was.text or was.epoch ~= (chat.epoch or '0') or (target ~= '' and target ~= last) then return 'none' end
  if was.user ~= asked.user and asked.role ~= 'admin' then return 'denied' end
  return chat.job and 'busy' or 'ok'
end

-- The dialogue as it was before that turn.
local function rewind()
  if not was.turn or was.turn ~= chat.turns then return end
  call('HDEL', chat_key(conv), 'question:' .. was.turn, 'answer:' .. was.turn)
  call('HSET', chat_key(conv), 'turns', was.turn - 1, 'chained', chat.parent_chained or 0)
  if (chat.parent or '') == '' then call('HDEL', chat_key(conv), 'response') else call('HSET', chat_key(conv), 'response', chat.parent) end
end

local function again()
  local new = { 'conv', conv, 'epoch', was.epoch, 'retry', last }
  local here = not asked.chat or was.chat == asked.chat
  pick(new, WHAT, was)
  pick(new, WHO, asked)
  pick(new, WHERE, asked.chat and asked or was)
  pick(new, HERE, here and was or asked)
  for name, value in pairs(was) do
    for _, pattern in ipairs(MORE) do
      if value ~= '' and string.match(name, pattern) then new[#new + 1], new[#new + 2] = name, value end
    end
    local replaced = string.match(name, was.kind == 'image' and '^part:0$' or '^part:%d+$')      -- a picture stays: the next one stands below it
    if here and replaced and tonumber(value) then new[#new + 1], new[#new + 2] = name, value end
  end
  call('HSET', job_key(job), unpack(new))
  put_models(job, models)
  if was.prelude then                    -- media is done with it: what was heard and uploaded is not paid for and sent again
    local prelude = tonumber(was.prelude) > 0 and call('GETRANGE', text_key(last), 0, was.prelude - 1) or ''
    if prelude ~= '' then call('SET', text_key(job), prelude) end
    call('HSET', job_key(job), 'first', 'llm', 'prelude', #prelude, 'said', #prelude)
  end
  call('HSET', chat_key(conv), 'last_job', job)
  call('RPUSH', lane_key(conv), job)
  dispatch(conv)
end

local answer = verdict()
if seen_before(update) then return 'dup' end
is_heard_from(asked.chat or '')
if no then return refuse(job, fields, asked, no) end
if not asked.callback then call('DEL', ask_key(asked)) end
if old then move(old, conv) end
local says = { busy = 'retry_busy', none = 'nothing_to_retry', denied = 'not_yours' }
if answer ~= 'ok' then
  say_line(job, fields, says[answer])
  return answer
end
if is_too_fast(asked, per_min) then return slow_down(job, fields, asked, per_min) end
rewind()
again()
call('EXPIRE', chat_key(conv), 60 * DAY)
if asked.callback then direct(job .. '-press', fields) end       -- so that the button stops spinning
return 'ok'
