-- What every script begins with. KEYS[1] is KEY_PREFIX itself: the routing key, and the front of every key we make.
local P = KEYS[1]
local function call(...) return redis.call(...) end
local function chat_key(conv) return P .. 'chat:' .. conv end
local function lane_key(conv) return P .. 'lane:' .. conv end
local function job_key(job) return P .. 'job:' .. job end
local function text_key(job) return P .. 'text:' .. job end
local function uploads_key(conv) return P .. 'uploads:' .. conv end
local function library_key(user) return P .. 'library:' .. user end
local function spend_key(period) return P .. 'spend:' .. period end
local BUSY, LATER, DEAD, LEDGER = P .. 'busy', P .. 'later', P .. 'dead', P .. 'ledger'
local BLOBS = P .. 'blobs'
local BROADCAST, SPREADING = P .. 'broadcast', P .. 'spreading'
local DAY, BLOB_DAYS = 86400, 3
local MONTH_MS = 30 * DAY * 1000      -- so long OpenAI keeps what was uploaded
local STAGES = { media = true, llm = true, outbound = true }
local function now()   -- milliseconds since 1970, by Redis's clock alone
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- There is no way back from half a script, so it asks for the types of the keys it is going to write before its first write.
local ASKS = { stream = 'XLEN', hash = 'HLEN', list = 'LLEN', zset = 'ZCARD', set = 'SCARD', string = 'STRLEN' }
local function need(want, ...)      -- Redis itself refuses when it is another
  for i = 1, select('#', ...) do call(ASKS[want], (select(i, ...))) end
end
local function is_type(want, key)
  local is = call('TYPE', key).ok
  return is == want or is == 'none'
end
-- What moving any job of this conversation on may write.
local function need_to_move(conv)
  need('stream', P .. 'media', P .. 'llm', P .. 'outbound')
  if conv == '' then return end
  need('list', lane_key(conv))
  need('zset', BUSY, LATER)
end

-- Is entry `e` of stream `q` the job's token ('live'), its follow entry while the token is elsewhere ('follow'), or
-- neither ('stale')? Entry ids are made of time and never used twice, so an old token cannot come true again.
-- Second result: the job's conversation, '' for a direct job.
local function guard(q, e, job)
  local r = call('HMGET', job_key(job), 'queue', 'entry', 'follow', 'conv')
  local conv = r[4]
  if not conv or (conv ~= '' and call('HGET', chat_key(conv), 'job') ~= job) then return 'stale', conv or '' end
  if r[1] == q and r[2] == e then return 'live', conv end
  if q == 'outbound' and r[3] == e then return 'follow', conv end
  return 'stale', conv
end

-- XACK is the first write of whatever moves a job on: Redis lets it pass also when its memory is full, and the rest with it.
-- Its count is a metric and no guard: it is 0 also when the pending list was lost.
local function ack(q, e)
  if call('XACK', P .. q, q, e) == 0 then call('HINCRBY', P .. 'counters', 'anomaly', 1) end
  call('XDEL', P .. q, e)
end

-- Leave a stale entry behind. It is nobody's work, and being gone already is no anomaly.
local function forget(q, e)
  call('XACK', P .. q, q, e)
  call('XDEL', P .. q, e)
end

-- What the ledger is asked stands in the entry itself: it reads no jobs.
local ASKED = { what = true, text = true, lang = true, role = true, name = true }
local function asked_of_ledger(job)
  local asked, all = {}, call('HGETALL', job_key(job))
  for i = 1, #all, 2 do
    if ASKED[all[i]] or string.match(all[i], '^set:%d+$') then asked[#asked + 1], asked[#asked + 2] = all[i], all[i + 1] end
  end
  return asked
end

-- Put an entry for the job on a stream. Returns its id.
local function entry(q, kind, job)
  local r = call('HMGET', job_key(job), 'chat', 'user', 'conv', 'kind', 'made:0')
  if q == 'media' and r[5] then kind = 'made' end          -- the answer is there, and what came with it is to be fetched
  return call('XADD', P .. q, '*', 'kind', kind or r[4] or '', 'job', job, 'chat', r[1] or '', 'user', r[2] or '',
    'at', now(), 'conv', r[3] or '', unpack(q == 'ledger' and asked_of_ledger(job) or {}))
end

-- Emit the job's next work entry and make it the job's token. On outbound it is the follow entry as well.
local function emit(q, job, conv)
  local kind = nil
  if q == 'outbound' and conv ~= '' then kind = 'follow' end
  local id = entry(q, kind, job)
  call('HSET', job_key(job), 'queue', q, 'entry', id)
  if kind then call('HSET', job_key(job), 'follow', id) end
  if conv ~= '' then call('ZADD', BUSY, now(), conv) end
  return id
end

-- The entry by which somebody shows the job while the token is elsewhere.
local function emit_follow(job)
  call('HSET', job_key(job), 'follow', entry('outbound', 'follow', job))
end

-- A fresh entry for one that was left behind, by what the guard called that.
local function renew(is, q, job, conv)
  if is == 'follow' then emit_follow(job) else emit(q, job, conv) end
end

local function is_job(job)
  return call('TYPE', job_key(job)).ok == 'hash' and call('HEXISTS', job_key(job), 'conv') == 1
end

-- Take the next job of the lane in hand: its work entry, which is its token, and its one follow entry.
local function dispatch(conv)
  local job
  repeat job = call('LPOP', lane_key(conv)) until not job or is_job(job)
  if not job then
    call('HDEL', chat_key(conv), 'job')
    call('ZREM', BUSY, conv)
    return
  end
  call('HSET', chat_key(conv), 'job', job)
  local first, open = unpack(call('HMGET', job_key(job), 'first', 'open'))
  if not STAGES[first] then first = 'llm' end
  if open and tonumber(open) > now() then          -- further parts of the question may come: the work waits for them
    call('HSET', job_key(job), 'queue', 'later', 'entry', '', 'back', first)
    call('ZADD', LATER, open, 'conv:' .. conv)
    call('ZADD', BUSY, now(), conv)
  else
    emit(first, job, conv)
  end
  if first ~= 'outbound' then emit_follow(job) end
end

local function expire_job(job)
  local blob, bytes = unpack(call('HMGET', job_key(job), 'blob', 'blob_bytes'))
  if blob then                                     -- delivered: from now on it is only kept for "as a file"
    call('EXPIRE', P .. 'blob:' .. blob, DAY)
    call('ZADD', BLOBS, 'XX', now() + DAY * 1000, blob .. ' ' .. (bytes or ''))
  end
  call('EXPIRE', job_key(job), DAY)
  call('EXPIRE', text_key(job), DAY)
end

-- One of those whom a message to everybody is for: it is counted, and what it said need not be kept for each of them.
local function count_broadcast(job, how)
  local id = call('HGET', job_key(job), 'spread')
  if not id then return end
  call('DEL', text_key(job))
  call('EXPIRE', job_key(job), 7200)
  if not is_type('hash', BROADCAST) or not is_type('set', SPREADING) or call('SREM', SPREADING, job) == 0 then return end
  if call('HGET', BROADCAST, 'id') == id then call('HINCRBY', BROADCAST, how == 'done' and 'reached' or 'lost', 1) end
end

-- The job is over: say how, let it expire, take the next one of its lane.
local function finish(job, conv, how)
  call('HSET', job_key(job), 'how', how, 'ended', now(), 'queue', '', 'entry', '', 'follow', '')
  call('HINCRBY', job_key(job), 'ends', 1)
  expire_job(job)
  if conv ~= '' then dispatch(conv) else count_broadcast(job, how) end
end

-- A direct job has no lane: its one entry on outbound is its token; or first the one on ledger, which answers it (`told`). `fields`
-- is a flat list of names and values.
local function direct(job, fields)
  call('HSET', job_key(job), 'conv', '', 'first', 'outbound', unpack(fields))
  call('EXPIRE', job_key(job), 7 * DAY)
  return emit(call('HGET', job_key(job), 'first') == 'ledger' and 'ledger' or 'outbound', job, '')
end

-- Files at OpenAI that nobody wants any more: media deletes them, in nobody's way.
local function forget_files(job, chat, user, ids)
  call('HSET', job_key(job), 'conv', '', 'first', 'media', 'kind', 'forget', 'chat', chat, 'user', user, 'at', now(),
    'delete', table.concat(ids, ' '))
  call('EXPIRE', job_key(job), 7 * DAY)
  emit('media', job, '')
end

-- Tell every administrator, once per cause and hour; an hour in which nobody could be told does not count.
local function alert(cause, about)
  local admins = call('SMEMBERS', P .. 'admins')
  if #admins == 0 or not call('SET', P .. 'alert:' .. cause, 1, 'NX', 'EX', 3600) then return 0 end
  for _, admin in ipairs(admins) do
    direct('alert-' .. cause .. '-' .. now() .. '-' .. admin,
      { 'kind', 'alert', 'chat', admin, 'user', admin, 'at', now(), 'line', 'alert_' .. cause, 'about', about })
  end
  return #admins
end

-- Wake whoever holds the job: the worker of its work entry or the one who shows it.
-- Answers how many heard it; nil when nobody has it.
local function wake(job, field, what)
  local worker = call('HGET', job_key(job), field)
  return worker and call('PUBLISH', P .. 'wake:' .. worker, what .. ' ' .. job) or nil
end

-- Nobody listens to the name of whoever held it, so he is gone, or will find that he is: what he had goes to whoever is there, as
-- if he had released it. A takeover would come to the same, when his heartbeat has stood still for long enough.
local function pass_on(job, conv, field)
  local q, e, follow = unpack(call('HMGET', job_key(job), 'queue', 'entry', 'follow'))
  local is = 'live'
  if field == 'holder' and q ~= 'outbound' and (q or '') ~= '' then
    is, e = 'follow', follow
  elseif not STAGES[q or ''] or (field == 'worker') == (q == 'outbound') then
    return
  end
  if (e or '') == '' then return end
  forget(is == 'follow' and 'outbound' or q, e)
  renew(is, q, job, conv)
end

-- A parked job that is to stop waits neither for its time nor for the next unpark. A delivery does: Telegram asked for the pause.
local function hurry(job, conv)
  local r = call('HMGET', job_key(job), 'queue', 'back')
  if conv == '' or r[1] ~= 'later' or r[2] == 'outbound' or not STAGES[r[2]] then return end
  call('ZREM', LATER, 'conv:' .. conv)
  emit(r[2], job, conv)
end

-- Somebody speaks in that chat, so nobody is gone there. That the bot may not write there is known for its time all the same.
local function is_heard_from(chat)
  local gone = P .. 'gone:' .. chat
  local is = call('TYPE', gone).ok
  if is == 'string' and call('GET', gone) == 'mute' then return end
  if is ~= 'none' then call('DEL', gone) end
end

-- The update-id bit: true when it was set before. Its SETBIT is a first write that Redis refuses when memory is full,
-- and then nothing of the update was accepted.
local function is_seen(update)
  return call('GETBIT', P .. 'seen:' .. math.floor(update / 65536), update % 65536) == 1
end
local function mark_seen(update)
  local key = P .. 'seen:' .. math.floor(update / 65536)
  call('SETBIT', key, update % 65536, 1)
  call('EXPIRE', key, 2 * DAY)
end
local function seen_before(update)
  if is_seen(update) then return true end
  mark_seen(update)
  return false
end

-- A group that becomes a supergroup gets a new id (script migrate). Each of its conversations moves when it is next spoken in:
-- the name under which it stands still, or nil.
local function former(conv)
  local chat, rest = string.match(conv, '^(%-%d+)(.*)$')
  local was = chat and call('GET', P .. 'was:' .. chat)
  if not was or call('EXISTS', chat_key(conv)) == 1 or call('EXISTS', chat_key(was .. rest)) == 0 then return nil end
  need('hash', chat_key(was .. rest))
  need_to_move(was .. rest)
  return was .. rest
end

-- With all that runs and waits in it. Whoever holds one of its entries need not know: the guard goes by the job's conversation.
local function move(old, conv)
  local chat, at = string.match(conv, '^%-%d+'), now()
  call('RENAME', chat_key(old), chat_key(conv))
  if call('EXISTS', uploads_key(old)) == 1 then call('RENAME', uploads_key(old), uploads_key(conv)) end
  if call('EXISTS', lane_key(old)) == 1 then call('RENAME', lane_key(old), lane_key(conv)) end
  local jobs = call('LRANGE', lane_key(conv), 0, -1)
  jobs[#jobs + 1] = call('HGET', chat_key(conv), 'job') or nil
  for _, job in ipairs(jobs) do
    if is_job(job) then call('HSET', job_key(job), 'conv', conv, 'chat', chat) end
  end
  if call('ZREM', BUSY, old) == 1 then call('ZADD', BUSY, at, conv) end
  local due = call('ZSCORE', LATER, 'conv:' .. old)
  if due then
    call('ZREM', LATER, 'conv:' .. old)
    call('ZADD', LATER, due, 'conv:' .. conv)
  end
end

-- In private an answer refers to its question only when something has come in between. So a conversation knows its newest message, as
-- far as we have read or sent one; groups need not.
local function note_message(conv, id)
  local key = chat_key(conv)
  id = math.abs(tonumber(id) or 0)
  if id == 0 or string.sub(conv, 1, 1) == '-' or call('TYPE', key).ok ~= 'hash' then return end
  if id > (tonumber(call('HGET', key, 'newest') or '') or 0) then call('HSET', key, 'newest', id) end
end

-- A flat list of `count` names and values out of ARGV, from index `at`. Second result: the index behind it.
local function pairs_at(at, count)
  local list = {}
  for i = 0, 2 * count - 1 do list[#list + 1] = ARGV[at + i] end
  return list, at + 2 * count
end

-- The same list as a table by name.
local function by_name(list)
  local named = {}
  for i = 1, #list, 2 do named[list[i]] = list[i + 1] end
  return named
end

-- What is set of the bot and its users, as the ledger's database has it: a list of hash, field and value out of ARGV, preceded by its
-- count. An empty value takes the field out.
local function kept_at(at)
  local writes = {}
  for i = 1, tonumber(ARGV[at]) do
    local hash, field, value = unpack(ARGV, at + 3 * i - 2, at + 3 * i)
    assert(hash == 'settings' or string.match(hash, '^user:%-?%d+$'), 'the ledger keeps no such hash')
    need('hash', P .. hash)
    writes[i] = { P .. hash, field, value }
  end
  return writes
end
local function write_kept(writes)
  for _, w in ipairs(writes) do
    if w[3] == '' then call('HDEL', w[1], w[2]) else call('HSET', unpack(w)) end
  end
end

-- The models that are set, as a job takes them along when it is accepted: what is set later is for later questions. The one that a user
-- has chosen goes before everybody's while it is permitted (USER_MODELS: 'all', or names with commas; '' or nil: none is).
local function models_of(user, permitted)
  local all = call('HMGET', P .. 'settings', 'OPENAI_MODEL', 'OPENAI_IMAGE_MODEL', 'OPENAI_TRANSCRIBE_MODEL')
  local own = call('HGET', P .. 'user:' .. (user or ''), 'model')
  if own and permitted ~= 'all' and not string.find(',' .. (permitted or '') .. ',', ',' .. own .. ',', 1, true) then own = nil end
  local set = own and { 'own_model', 1 } or {}
  for i, name in ipairs({ 'model', 'image_model', 'transcribe_model' }) do
    local model = i == 1 and own or all[i]
    if model then set[#set + 1], set[#set + 2] = name, model end
  end
  return set
end
local function put_models(job, set)
  if #set > 0 then call('HSET', job_key(job), unpack(set)) end
end

-- Appends to such a list those of the names that a table has.
local function pick(list, names, from)
  for _, name in ipairs(names) do
    if from[name] then list[#list + 1], list[#list + 2] = name, from[name] end
  end
  return list
end
local WHO = { 'user', 'role', 'lang', 'name', 'update', 'at', 'asked' }          -- of a job: who wants it, and when

-- The conversation that a pressed button is about is its job's: a message that is too old has lost its topic, and where members
-- have a dialogue each, whoever presses is not whoever asked.
local function conv_of_button(target, conv, chat)
  local its = target ~= '' and call('HMGET', job_key(target), 'conv', 'chat') or {}
  return (its[1] or '') ~= '' and its[2] == chat and its[1] or conv
end

-- One line instead, as a direct job: who asked, and which line. What pressed a button is told there.
local function say_line(job, fields, line, about)
  local kind = by_name(fields).callback and 'press' or 'line'
  for _, word in ipairs({ 'first', 'outbound', 'kind', kind, 'line', line, 'about', about or '' }) do fields[#fields + 1] = word end
  direct(job, fields)
end

-- How far a message to everybody (the hash `broadcast` as a table) is, under its buttons. One word at a time: a later one cannot be
-- overtaken by an earlier one, and the last one is the last. Where the report is missing another one takes its place.
local function broadcast_about(b)
  return (b.reached or '0') .. ' / ' .. b.total .. ((tonumber(b.lost) or 0) > 0 and ', 🚫 ' .. b.lost or '')
end
local function broadcast_is_shown(b)
  return not b.shown or not is_type('hash', job_key(b.shown)) or call('EXISTS', job_key(b.shown)) == 0 or call('HEXISTS', job_key(b.shown), 'ended') == 1
end
local function next_shown(b) return b.id .. '-shown-' .. (tonumber(b.shows) or 0) + 1 end
local function need_to_show_broadcast(b) need('hash', job_key(next_shown(b))) end
local function show_broadcast(b)
  local stood = b.shown and is_type('hash', job_key(b.shown)) and call('HGET', job_key(b.shown), 'part:0') or ''
  local words = { ['part:0'] = string.match(stood, '^%d+$') or b.message, chat = b.chat, user = b.user, lang = b.lang }
  if b.state == 'running' then words['choice:0'] = 'broadcast stop ' .. b.id .. '|' .. b.words end
  call('HSET', BROADCAST, 'shows', (tonumber(b.shows) or 0) + 1, 'shown', next_shown(b), 'shown_state', b.state, 'shown_about', broadcast_about(b), 'shown_at', now())
  say_line(next_shown(b), pick({ 'chat_type', 'private', 'role', 'admin', 'at', now() }, { 'chat', 'user', 'lang', 'part:0', 'choice:0' }, words),
    'broadcast_' .. b.state, broadcast_about(b))
end

-- Who may not ask: the word of why, else nil. A role that an administrator has given goes before what the settings say (`access`).
-- Said once a day of a stranger who is to be asked about, to whom he is a stranger.
local function is_refused(asked)
  if asked.role == 'admin' then return nil end
  local role = call('HGET', P .. 'user:' .. (asked.user or ''), 'role')
  if role == 'user' or role == 'guest' or not (role or asked.access) then return nil end
  return role and asked.access ~= 'quiet' and 'closed' or asked.access
end
local function knock_key(user) return P .. 'knock:' .. user end
local function knock_job(user, at, admin) return 'knock-' .. user .. '-' .. string.format('%.0f', at) .. '-' .. admin end
local function refuse(job, fields, asked, why)
  if why == 'quiet' or not asked.user then return 'refused' end
  local line = 'not_allowed'
  if why == 'ask' then
    local at, knock = now(), (asked.lang or '') .. ' ' .. (asked.name or '')
    local first = call('SET', knock_key(asked.user), string.format('%.0f', at) .. ' ' .. knock, 'NX', 'EX', DAY)
    line = first and 'access_asked' or 'access_waits'
    for _, admin in ipairs(first and call('SMEMBERS', P .. 'admins') or {}) do
      direct(knock_job(asked.user, at, admin), { 'kind', 'line', 'chat', admin, 'chat_type', 'private', 'user', admin, 'role', 'admin',
        'at', at, 'line', 'access_wanted', 'about', (asked.name or '') .. ' (' .. asked.user .. ')', 'grants', asked.user })
    end
  end
  say_line(job, fields, line, asked.chat_type == 'private' and asked.user or '')
  return 'refused'
end

-- Too many questions in a minute (as many as that may come at once): true, else this one is counted.
local function is_too_fast(asked, per_min)
  if not per_min or per_min == 0 or asked.role == 'admin' then return false end
  local key, at, gap = P .. 'rate:' .. (asked.user or ''), now(), 60000 / per_min
  local full = math.max(tonumber(call('GET', key)) or 0, at)             -- when all of the minute's questions will be there again
  if full - at > 60000 - gap then return true end
  call('SET', key, string.format('%.0f', full + gap), 'PX', string.format('%.0f', full + gap - at))
  return false
end
local function slow_down(job, fields, asked, per_min)      -- each question is told so, but a flood is not answered by one
  local key, MOST = P .. 'rate:' .. (asked.user or '') .. ':told', 10
  local nth = call('INCR', key)
  if nth == 1 then call('EXPIRE', key, 60) end
  if nth <= MOST then say_line(job, fields, 'too_fast', per_min) end
  return 'fast'
end

-- What /img leaves open with somebody in some place: for a prompt (step 'prompt'), then for a size (step 'size'). Ten minutes; any
-- command ends it. `nonce` is the job that said the question: whoever presses a button of an older one is too late.
local function ask_key(asked)
  return P .. 'ask:' .. (asked.chat or '') .. ':' .. (asked.topic or '0') .. ':' .. (asked.user or '')
end
local function ask(asked, step, nonce, ...)
  local key = ask_key(asked)
  call('DEL', key)
  call('HSET', key, 'step', step, 'nonce', nonce, ...)
  call('EXPIRE', key, 600)
end

-- The reservation of a call: nil, or its amount and the periods it was taken from.
local function reservation(job, paid_call)
  local hold = call('HGET', job_key(job), 'hold:' .. paid_call)
  if not hold then return nil end
  local amount, names = string.match(hold, '^(%S+)%s*(.*)$')
  local periods = {}
  for period in string.gmatch(names, '%S+') do
    need('hash', spend_key(period))
    periods[#periods + 1] = period
  end
  return { call = paid_call, amount = amount, periods = periods }
end

-- Four fifths of a budget are spent: said once per period; to its user when this answer stands there, of everybody's to the
-- administrators at once.
local function warn_of(period, spent, job)
  local limit, warned = unpack(call('HMGET', spend_key(period), 'limit', 'warned'))
  if warned or (tonumber(limit) or 0) == 0 or spent < 0.8 * limit then return end
  local day, whose = string.match(period, '^%d+%-%d+(%-?%d*):(.*)$')
  if whose == 'all' and alert('budget', period) == 0 then return end          -- nobody could be told: the next one tries
  if whose ~= 'all' and call('HGET', job_key(job), 'chat_type') ~= 'private' then return end      -- in a group it is nobody's business: later
  call('HSET', spend_key(period), 'warned', 1)
  if whose ~= 'all' then call('HSET', job_key(job), 'near', day == '' and 'budget_month_near' or 'budget_day_near') end
end

-- What such a call has cost lately, in that period. While more than half of a budget is spent, a call must leave room for it: an answer
-- that is asked to be shorter would be cut, and a server that does not heed that would pass the budget.
local function usual_field(paid_call) return 'usual:' .. (tonumber(paid_call) and 'chat' or paid_call) end
local function note_usual(period, paid_call, cost)
  local before = tonumber(call('HGET', spend_key(period), usual_field(paid_call))) or 0
  call('HSET', spend_key(period), usual_field(paid_call), string.format('%.0f', math.max(tonumber(cost), math.floor(before * 3 / 4))))
end

-- Give it back and book what was really spent. Exactly once: the reservation is a field of the job and goes with it.
-- A period whose counters have expired is over: it is not begun again.
local function settle(job, hold, cost)
  for _, period in ipairs(hold.periods) do
    if call('EXISTS', spend_key(period)) == 1 then
      if hold.amount ~= '0' then call('HINCRBY', spend_key(period), 'held', '-' .. hold.amount) end
      warn_of(period, call('HINCRBY', spend_key(period), 'spent', cost), job)
      note_usual(period, hold.call, cost)
    end
  end
  call('HDEL', job_key(job), 'hold:' .. hold.call)
end
