-- broadcast: an administrator decides about a message to everybody: it goes out from now on, goes out no further, or not at all.
-- ARGV: queue, entry, job   the question to the ledger that says so; what ('send' · 'stop' · 'drop'), id (the job in which the message was
--       written; '' with `stop`: whichever is on its way), total (how many it is for), words (on the button that stops it)
-- Answers: 'ok' · 'busy' (another one is on its way) · 'old' (nobody knows it any more, or it has been decided about) · 'none' (there is nothing to stop) · 'stale'
local q, e, job, what, id, total, words = unpack(ARGV, 1, 7)
if guard(q, e, job) ~= 'live' then
  forget(q, e)
  return 'stale'
end
local asked = by_name(call('HGETALL', job_key(job)))
need('hash', BROADCAST, job_key(job .. '-said'))
need('set', SPREADING)
need_to_move('')
local was = by_name(call('HGETALL', BROADCAST))
if was.id then need_to_show_broadcast(was) end
local runs = was.state == 'running'
local text, decided = unpack(is_type('hash', job_key(id)) and call('HMGET', job_key(id), 'text', 'decided') or {})

local function verdict()
  if what == 'stop' then return runs and (id == '' or id == was.id) and 'ok' or 'none' end
  if not text or decided or not asked.message then return 'old' end
  return what == 'send' and runs and 'busy' or 'ok'
end

local answer = verdict()
ack(q, e)
if answer == 'ok' and what == 'stop' then
  call('HSET', BROADCAST, 'state', 'stopped')
elseif answer == 'ok' then
  call('HSET', job_key(id), 'decided', what)
end
if answer == 'ok' and what == 'send' then
  if was.id and was.shown_state ~= was.state then show_broadcast(was) end         -- nobody else would say its last word
  call('DEL', BROADCAST, SPREADING)
  call('HSET', BROADCAST, 'id', id, 'state', 'running', 'text', text, 'total', total, 'after', 0, 'words', words,
    unpack(pick({}, { 'chat', 'user', 'lang', 'message' }, asked)))
  call('EXPIRE', BROADCAST, 60 * DAY)
end
if answer == 'ok' and what == 'drop' then                               -- in place of the question
  say_line(job .. '-said', pick({ 'part:0', asked.message }, { 'chat', 'chat_type', 'user', 'role', 'lang' }, asked), 'broadcast_dropped')
end
local line = answer ~= 'ok' and 'broadcast_' .. answer or (what == 'stop' and not asked.callback) and 'broadcast_stop' or ''
call('HSET', job_key(job), 'kind', asked.callback and 'press' or 'line', 'line', line, 'about', '')
emit('outbound', job, '')
return answer
