-- revive: an administrator decides about what was given up: it is asked once more, in its conversation's lane, or forgotten.
-- ARGV: queue, entry, job   the question to the ledger that says so; what ('replay' · 'drop' · 'all': forget everything that is dead), id (of the dead entry; '' with `all`);
--       user_models as of accept
-- Answers: 'ok' · 'none' (there is no such entry) · 'old' (its job is not known any more, or was no question: it can only be dropped) · 'stale'
local WHAT = { 'kind', 'first', 'chat', 'chat_type', 'user', 'role', 'topic', 'update', 'message', 'text', 'lang', 'name', 'asked', 'v', 'reply', 'reply_name',
  'reply_bot', 'quote', 'forward', 'edited', 'words', 'files', 'size', 'library' }
local q, e, job, what, id, user_models = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if guard(q, e, job) ~= 'live' then
  forget(q, e)
  return 'stale'
end
need('stream', DEAD)
local there = id ~= '' and call('XRANGE', DEAD, id, id)[1]
local dead = there and by_name(there[2]) or {}
local was = what == 'replay' and dead.job and is_type('hash', job_key(dead.job)) and by_name(call('HGETALL', job_key(dead.job))) or {}
local conv = was.conv or ''
local new = id .. '-revived'
local models = models_of(was.user, user_models)
local epoch = conv ~= '' and call('HGET', chat_key(conv), 'epoch') or '0'
need_to_move(conv)
need('hash', job_key(new))

local function verdict()
  if what == 'all' then return 'ok' end
  if not there then return 'none' end
  return (what ~= 'replay' or (conv ~= '' and was.text and was.kind)) and 'ok' or 'old'
end

local answer = verdict()
local line = answer == 'none' and 'dead_gone' or answer == 'old' and 'dead_old' or what == 'replay' and 'dead_replayed' or 'dead_dropped'
ack(q, e)
if answer == 'ok' and what == 'all' then call('XTRIM', DEAD, 'MAXLEN', 0) elseif answer == 'ok' then call('XDEL', DEAD, id) end
if answer == 'ok' and what == 'replay' then
  local fields = pick({ 'conv', conv, 'epoch', epoch or '0', 'at', now() }, WHAT, was)
  for name, value in pairs(was) do
    if string.match(name, '^file:%d') then fields[#fields + 1], fields[#fields + 2] = name, value end
  end
  call('HSET', job_key(new), unpack(fields))
  put_models(new, models)
  call('HSET', chat_key(conv), 'last', was.message or '', 'last_job', new)
  call('RPUSH', lane_key(conv), new)
  if not call('HGET', chat_key(conv), 'job') then dispatch(conv) end
  call('EXPIRE', chat_key(conv), 60 * DAY)
end
call('HSET', job_key(job), 'kind', call('HEXISTS', job_key(job), 'callback') == 1 and 'press' or 'line', 'line', line, 'about', '')
emit('outbound', job, '')
return answer
