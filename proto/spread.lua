-- spread: the next ones of those whom a message to everybody is for get it, each in a direct job; and how far it is, said to whoever sent
-- it. A few at a time are on their way, so that answers are not held up.
-- ARGV: id, after (the last user whom it was given, as the last answer had them; id '': only to look), last ('1': nobody comes behind these), most (on
--       their way), every (milliseconds between two words on how far it is), n, n × user (ascending)
-- Answers: '<id> <after> <room>' (those behind `after`, at most `room` of them, are the next) · 'idle' (there is nothing to give now)
local id, after, last, most, every = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local PARKED_MOST = 100                  -- chats that Telegram has asked us to leave alone hold up nobody else, as far as they are few
need('hash', BROADCAST)
need('set', SPREADING)
local state, said = unpack(call('HMGET', BROADCAST, 'state', 'shown_state'))
if not state or (state == 'done' and said == 'done') then return 'idle' end      -- as it mostly is, twice a second
local b = by_name(call('HGETALL', BROADCAST))
local gives = id == b.id and after == b.after and b.state == 'running' and not b.all
local users = {}
for i = 1, gives and tonumber(ARGV[6]) or 0 do users[i] = ARGV[6 + i] end
local function job_of(user) return b.id .. '-to-' .. user end
for _, user in ipairs(users) do
  need('hash', job_key(job_of(user)))
  need('string', text_key(job_of(user)))
end
need_to_show_broadcast(b)
need_to_move('')

local function give(user)
  local job = job_of(user)
  call('SADD', SPREADING, job)
  call('SET', text_key(job), b.text, 'EX', 7 * DAY)
  direct(job, { 'kind', 'line', 'chat', user, 'chat_type', 'private', 'user', user, 'at', now(), 'spread', b.id })
end
if gives then
  local skipped = 0
  call('HSET', BROADCAST, 'after', users[#users] or after)               -- a first write that Redis refuses when memory is full
  for _, user in ipairs(users) do
    if call('EXISTS', P .. 'gone:' .. user) == 1 then skipped = skipped + 1 else give(user) end
  end
  call('EXPIRE', SPREADING, 60 * DAY)
  call('HINCRBY', BROADCAST, 'lost', skipped)
  if last == '1' then call('HSET', BROADCAST, 'all', 1) end
end

-- Who is on his way, and who waits for Telegram's time. A job that is gone without an end (by hand) is not waited for.
local moving, parked = 0, 0
for _, job in ipairs(call('SMEMBERS', SPREADING)) do
  local queue = is_type('hash', job_key(job)) and call('HGET', job_key(job), 'queue')
  if not queue then
    call('SREM', SPREADING, job)
    call('HINCRBY', BROADCAST, 'lost', 1)
  elseif queue == 'later' then
    parked = parked + 1
  else
    moving = moving + 1
  end
end
b = by_name(call('HGETALL', BROADCAST))
if b.state == 'running' and b.all and moving + parked == 0 then
  call('HSET', BROADCAST, 'state', 'done')
  b.state = 'done'
end
local is_over = b.state ~= 'running' and moving + parked == 0
local is_news = b.shown_state ~= b.state or b.shown_about ~= broadcast_about(b)
local is_due = b.shown_state ~= b.state or is_over or now() >= (tonumber(b.shown_at) or 0) + every
if is_news and is_due and broadcast_is_shown(b) then show_broadcast(b) end

local room = math.min(most - moving, PARKED_MOST - parked - moving)
if b.state ~= 'running' or b.all or room <= 0 then return 'idle' end
return b.id .. ' ' .. b.after .. ' ' .. string.format('%d', room)
