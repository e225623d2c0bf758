-- choose: a button under a picture was pressed, or one of the sizes that /img offers.
-- ARGV: update, job, conv, what ('size': draw it as large as that · 'again': once more · 'sizes': ask for another size · 'asfile': the
--       same bytes as a file), target (the question's nonce; else the job of the picture), size ('' or <width>x<height>), lane_max,
--       n, n × (name, value)   fields of the press; per_min and user_models as of accept
-- Answers: 'ok' | 'dup' | 'busy' (it is being done already) | 'none' (that question is closed, that picture too old) | 'full' | 'denied' | 'refused' | 'fast'
local PLACE, PICTURE = { 'chat', 'chat_type', 'topic', 'v' }, { 'text', 'message', 'files' }
local update, job, what, target, size, lane_max = tonumber(ARGV[1]), ARGV[2], ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])
local fields, behind = pairs_at(9, tonumber(ARGV[8]))
local per_min, user_models = tonumber(ARGV[behind]), ARGV[behind + 1]
local asked = by_name(fields)
local no = is_refused(asked)
local models = models_of(asked.user, user_models)
if no then need('set', P .. 'admins') end
local conv = conv_of_button(target, ARGV[3], asked.chat)
local was = by_name(call('HGETALL', job_key(target)))
local open = by_name(call('HGETALL', ask_key(asked)))
local picture = what == 'size' and open or was
if what == 'size' and open.conv then conv = open.conv end
local in_hand, epoch, last = unpack(call('HMGET', chat_key(conv), 'job', 'epoch', 'last'))
local waiting = call('LLEN', lane_key(conv))
need_to_move(conv)
need('hash', job_key(job), job_key(job .. '-press'))

-- The job that the same button has begun is still at work.
local function is_under_way()
  local there, ended = unpack(call('HMGET', job_key(was['did:' .. what] or ''), 'conv', 'ended'))
  return there and not ended
end

local function verdict()
  if not was.chat or was.chat ~= asked.chat then return 'none' end
  if was.user ~= asked.user and (what == 'size' or asked.role ~= 'admin') then return 'denied' end
  if what == 'size' then
    if open.step ~= 'size' or open.nonce ~= target then return 'none' end
  elseif was.kind ~= 'image' or not was.text then return 'none'
  elseif is_under_way() then return 'busy'
  elseif what == 'asfile' and call('EXISTS', P .. 'blob:' .. (was.blob or '')) == 0 then return 'none' end
  if (what == 'size' or what == 'again') and in_hand and waiting >= lane_max then return 'full' end
  if what == 'sizes' and open.of == target and now() - (tonumber(open.at) or 0) < 3000 then return 'busy' end    -- tapped twice
  return 'ok'
end

local function take_picture(new)
  pick(new, PICTURE, picture)
  for name, value in pairs(picture) do
    if string.match(name, '^file:%d') then new[#new + 1], new[#new + 2] = name, value end
  end
  return new
end

local function draw()
  local new = take_picture(pick(pick({ 'conv', conv, 'epoch', epoch or '0', 'kind', 'image', 'first', 'media' }, PLACE, was), WHO, asked))
  if (size ~= '' and size or was.size) then new[#new + 1], new[#new + 2] = 'size', size ~= '' and size or was.size end
  if what == 'size' and (tonumber(asked.message) or 0) > 0 then        -- the question gives way to the picture
    for _, word in ipairs({ 'part:0', asked.message, 'retry', target }) do new[#new + 1] = word end
  end
  call('HSET', job_key(job), unpack(new))
  put_models(job, models)
  if (tonumber(picture.message or '') or 0) >= (tonumber(last or '') or 0) then       -- else something newer was asked, which is the last
    call('HSET', chat_key(conv), 'last_job', job, 'last', picture.message or '')
  end
  call('RPUSH', lane_key(conv), job)
  if not in_hand then dispatch(conv) end
  call('EXPIRE', chat_key(conv), 60 * DAY)
end

local function say_as_bot(...)           -- a direct job for who pressed
  local told = { ... }
  pick(pick(told, PLACE, was), WHO, asked)
  pick(told, { 'message' }, was)
  return told
end

local answer = verdict()
if seen_before(update) then return 'dup' end
is_heard_from(asked.chat or '')
if no then return refuse(job, fields, asked, no) end
local says = { none = what == 'size' and 'ask_over' or what == 'asfile' and 'picture_gone' or 'picture_old', busy = 'drawing_already',
  full = 'lane_full', denied = 'not_yours' }
if answer ~= 'ok' then
  say_line(job, fields, says[answer])
  return answer
end
if (what == 'size' or what == 'again') and is_too_fast(asked, per_min) then return slow_down(job, fields, asked, per_min) end
if what ~= 'size' then call('HSET', job_key(target), 'did:' .. what, job) end
if what == 'sizes' then
  ask(asked, 'size', job, unpack(take_picture({ 'conv', conv, 'of', target, 'at', now() })))
  direct(job, say_as_bot('kind', 'line', 'line', 'ask_size'))
elseif what == 'asfile' then
  direct(job, pick(say_as_bot('kind', 'line', 'as', 'file'), { 'text', 'blob', 'blob_type', 'blob_bytes' }, was))
else
  if what == 'size' then call('DEL', ask_key(asked)) end
  draw()
end
direct(job .. '-press', fields)          -- so that the button stops spinning
return 'ok'
