-- spread: the next ones of those whom a message to everybody is for get it, each in a direct job; and how far it is, said to whoever sent
-- it. A few at a time are on their way, so that answers are not held up.
-- ARGV: id, after (the last user whom it was given, as the last answer had them; id '': only to look), last ('1': nobody comes behind these), most (on
--       their way), every (milliseconds between two words on how far it is), n, n × user (ascending)
-- Answers: '<id> <after> <room>' (those behind `after`, at most `room` of them, are the next) · 'idle' (there is nothing to give now)
local id, after, last, most, every = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
need('hash', BROADCAST)
local b = by_name(call('HGETALL', BROADCAST))
if not b.id then return 'idle' end
local function count(name) return tonumber(b[name]) or 0 end
local function job_of(user) return b.id .. '-to-' .. user end
local users = {}
if id == b.id and after == b.after and b.state == 'running' and not b.all then
  for i = 1, tonumber(ARGV[6]) do users[i] = ARGV[6 + i] end
end
for _, user in ipairs(users) do
  need('hash', job_key(job_of(user)))
  need('string', text_key(job_of(user)))
end
local shown = b.id .. '-shown-' .. (count('shows') + 1)
need('hash', job_key(shown))
need_to_move('')

local function give(user)
  local job = job_of(user)
  call('SET', text_key(job), b.text, 'EX', 7 * DAY)
  direct(job, { 'kind', 'line', 'chat', user, 'chat_type', 'private', 'user', user, 'at', now(), 'spread', b.id })
end

local gives = id == b.id and after == b.after and b.state == 'running' and not b.all
if gives then
  local given, skipped = 0, 0
  call('HSET', BROADCAST, 'after', users[#users] or after)               -- a first write that Redis refuses when memory is full
  for _, user in ipairs(users) do
    if call('EXISTS', P .. 'gone:' .. user) == 1 then skipped = skipped + 1 else given = given + 1 give(user) end
  end
  call('HINCRBY', BROADCAST, 'given', given)
  call('HINCRBY', BROADCAST, 'lost', skipped)
  if last == '1' then call('HSET', BROADCAST, 'all', 1) end
  b = by_name(call('HGETALL', BROADCAST))
end
local waits = count('given') - count('ended')
if b.state == 'running' and b.all and waits <= 0 then
  call('HSET', BROADCAST, 'state', 'done')
  b.state = 'done'
end

-- One word at a time: a later one cannot be overtaken by an earlier one, and the last one is the last.
local function show()
  local words = { ['part:0'] = b.message, ['choice:0'] = b.state == 'running' and 'broadcast stop ' .. b.id .. '|' .. b.words or nil,
    chat = b.chat, user = b.user, lang = b.lang }
  local about = string.format('%d / %s', count('reached'), b.total) .. (count('lost') > 0 and ', 🚫 ' .. count('lost') or '')
  call('HSET', BROADCAST, 'shows', count('shows') + 1, 'shown', shown, 'shown_state', b.state, 'shown_at', now())
  say_line(shown, pick({ 'chat_type', 'private', 'role', 'admin', 'at', now() }, { 'chat', 'user', 'lang', 'part:0', 'choice:0' }, words), 'broadcast_' .. b.state, about)
end
local is_shown = not b.shown or not is_type('hash', job_key(b.shown)) or call('HEXISTS', job_key(b.shown), 'ended') == 1 or call('EXISTS', job_key(b.shown)) == 0
local is_over = b.state ~= 'running' and waits <= 0
if is_shown and ((is_over and b.shown_state ~= b.state) or (b.state == 'running' and now() >= count('shown_at') + every)) then show() end

if b.state ~= 'running' or b.all or waits >= most then return 'idle' end
return b.id .. ' ' .. b.after .. ' ' .. string.format('%d', most - waits)
