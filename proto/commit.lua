-- commit: the one end of a step. Everything the step did becomes true here, at once, or nothing does.
-- ARGV: queue, entry, job, next ('llm' | 'media': another stage; 'follow': to whoever shows it; 'end': over, only in outbound),
--       how ('' or done stopped refused dead undeliverable), line (what to say instead of an answer, '' none), about (its detail),
--       length of text:<job> before (-1: what was said is not the beginning of it), rest of the text (then all of this round's), question, answer (this turn in short, both '' = no turn),
--       response (new head of the chain, '' stays), call (whose reservation to settle, '' none), cost (nano-dollars),
--       alert ('' none), fields, fields × (name, value) (among them 'response:<call>': the response that this settles, '' none), events, events × (n, n × (name, value))
-- Answers: 'ok' | 'stale' (somebody has committed this step, perhaps we ourselves: over in both cases)
--        | 'early' (the follow entry cannot commit while the token is elsewhere)
local q, e, job, next_stage, how, line, about = unpack(ARGV, 1, 7)
local text_length, rest, question, answer, response, paid_call, cost, cause = tonumber(ARGV[8]), unpack(ARGV, 9, 15)
local fields, at = pairs_at(17, tonumber(ARGV[16]))
local events = {}
local count = tonumber(ARGV[at])
at = at + 1
for i = 1, count do
  local size = tonumber(ARGV[at])
  events[i], at = pairs_at(at + 1, size)
end
assert(STAGES[next_stage] and next_stage ~= 'outbound' or next_stage == 'follow' or next_stage == 'end', 'commit to where?')
assert(text_length and (paid_call == '' or tonumber(cost)), 'commit of what?')
local is, conv = guard(q, e, job)
if is == 'follow' then return 'early' end
if is == 'stale' then
  forget(q, e)
  return 'stale'
end
local told = call('HMGET', job_key(job), 'epoch', 'follow', 'how', 'response:' .. paid_call, 'said', 'chat', 'user', 'stop_said', 'near', 'chat_type', 'give:0',
  'response:store')
local length = call('STRLEN', text_key(job))
local epoch, head, chained = '0', '', '0'
if conv ~= '' then epoch, head, chained = unpack(call('HMGET', chat_key(conv), 'epoch', 'response', 'chained')) end
epoch, told[1] = epoch or '0', told[1] or '0'
local uploads = {}                       -- `upload:<n>` of the fields: <file id> <purpose> <bytes> <name>
for i = 1, #fields, 2 do
  if string.match(fields[i], '^upload:%d+$') and string.match(fields[i + 1], '^%S+ .') then uploads[#uploads + 1] = fields[i + 1] end
end
if #uploads > 0 then need('hash', uploads_key(conv), job_key(job .. '-files')) end
-- `shelf` of the fields: <vector store> <file id> <purpose> <bytes> <name>; `unshelved`: a store of which OpenAI knows nothing any more
local at_end = by_name(fields)
local shelf, shelved, about_it = string.match(at_end.shelf or '', '^(%S+) (%S+) (.+)$')
local library = shelf and library_key(told[7] or '')
local store = library and call('HGET', library, 'store')
if library then need('hash', job_key(job .. '-files'), job_key(job .. '-lost')) end
local hold = paid_call ~= '' and reservation(job, paid_call)
need_to_move(conv)
need('stream', LEDGER, DEAD)
need('zset', BLOBS)
need('hash', P .. 'counters')
local in_vain = next_stage == 'end' and how == 'done' and told[8]      -- /stop came when all of it stood there: that is said
if in_vain then need('hash', job_key(job .. '-said')) end
local near = next_stage == 'end' and told[10] == 'private' and told[9]        -- in a group it is nobody's business
if near then need('hash', job_key(job .. '-near')) end
local gives = {}                         -- files that the model has made, behind the answer
for n = 0, next_stage == 'end' and told[11] and 9 or -1 do
  local blob, name = string.match(call('HGET', job_key(job), 'give:' .. n) or '', '^(%S+) (.+)$')
  if not blob then break end
  need('hash', job_key(job .. '-give-' .. n))
  gives[n + 1] = { blob = blob, name = name, bytes = call('STRLEN', P .. 'blob:' .. blob) }
end
if cause ~= '' or hold then need('set', P .. 'admins') end
-- Of two that had this entry the other one has got a response that we do not know of (it would never be booked), or has given
-- ours up as lost and begun anew. Whoever reads the entry next looks what is there.
local known = response ~= '' and response
for i = 1, #fields, 2 do if fields[i] == 'response:' .. paid_call then known = fields[i + 1] end end
if (known and told[4] and told[4] ~= known) or text_length > length then
  ack(q, e)
  emit(q, job, conv)
  return 'stale'
end
-- Another store was made meanwhile: into that one. Or the library was emptied, and what it had been in is gone.
local emptied = library and not store and shelf ~= told[12] and (at_end.unshelved or '') == ''
if emptied or (store and store ~= shelf and store ~= at_end.unshelved) then
  ack(q, e)
  if not emptied then forget_files(job .. '-files', told[6] or '', told[7] or '', { shelf }) end
  call('HDEL', job_key(job), 'response:store')
  emit(q, job, conv)
  return 'stale'
end
-- Whoever held this entry before may have found the response cancelled or failed, and have booked it as wasted: it is paid then.
local is_paid = known and call('EXISTS', P .. 'booked:' .. job .. ':' .. paid_call .. ':wasted:' .. known) == 1
if is_paid then
  cost = 0
  for i = #events, 1, -1 do if by_name(events[i]).event == job .. ':' .. paid_call then table.remove(events, i) end end
elseif known and #events > 0 then
  fields[#fields + 1], fields[#fields + 2] = 'settled:' .. paid_call, known        -- nor is it wasted from now on
end
ack(q, e)
if #fields > 0 then call('HSET', job_key(job), unpack(fields)) end
if how ~= '' then call('HSET', job_key(job), 'how', how) end
if line ~= '' then call('HSET', job_key(job), 'line', line, 'about', about) end
if text_length < 0 then
  local said = tonumber(told[5]) or 0
  call('SET', text_key(job), (said > 0 and call('GETRANGE', text_key(job), 0, said - 1) or '') .. rest)
  call('HINCRBY', job_key(job), 'draft', 1)
elseif #rest > length - text_length then      -- another one may have said some of it meanwhile
  call('APPEND', text_key(job), string.sub(rest, length - text_length + 1))
end
if #uploads > 0 and told[1] == epoch then
  for _, upload in ipairs(uploads) do
    local id, about = string.match(upload, '^(%S+) (.*)$')
    call('HSETNX', uploads_key(conv), id, now() .. ' ' .. about)
  end
  call('EXPIRE', uploads_key(conv), 60 * DAY)
  if call('HLEN', uploads_key(conv)) > 100 then        -- what has expired at OpenAI need not be known any more
    local all = call('HGETALL', uploads_key(conv))
    for i = 1, #all, 2 do
      if (tonumber(string.match(all[i + 1], '^%d+')) or 0) + MONTH_MS < now() then call('HDEL', uploads_key(conv), all[i]) end
    end
  end
elseif #uploads > 0 then                 -- /new came in between: they belong to nothing
  local ids = {}
  for i, upload in ipairs(uploads) do ids[i] = string.match(upload, '^%S+') end
  forget_files(job .. '-files', told[6] or '', told[7] or '', ids)
end
if library then
  if store and store ~= shelf then       -- what was in it is not to be found any more
    local lost = call('HKEYS', library)
    for i = #lost, 1, -1 do if lost[i] == 'store' then table.remove(lost, i) end end
    if #lost > 0 then forget_files(job .. '-lost', told[6] or '', told[7] or '', lost) end
    call('DEL', library)
  end
  call('HSET', library, 'store', shelf)
  call('HSETNX', library, shelved, now() .. ' ' .. about_it)
  call('EXPIRE', library, 60 * DAY)
end
if hold then settle(job, hold, cost) end
if (tonumber(cost) or 0) ~= 0 then call('HINCRBY', job_key(job), 'cost', cost) end
for _, event in ipairs(events) do call('XADD', LEDGER, '*', unpack(event)) end
if conv ~= '' and told[1] == epoch then   -- an answer of an older dialogue does not enter the chain
  if question ~= '' or answer ~= '' then
    local turn = call('HINCRBY', chat_key(conv), 'turns', 1)
    call('HSET', chat_key(conv), 'question:' .. turn, question, 'answer:' .. turn, answer, 'parent', head or '', 'parent_chained', chained or '0')
    call('HSET', job_key(job), 'turn', turn)
    call('HDEL', chat_key(conv), 'question:' .. (turn - 6), 'answer:' .. (turn - 6))
    if response ~= '' then call('HSET', chat_key(conv), 'response', response, 'chained', turn) end
  end
  local context = call('HGET', job_key(job), 'context')     -- tokens of the dialogue, for the next reservation
  if context then call('HSET', chat_key(conv), 'context', context) end
end
if how == 'dead' and told[3] ~= 'dead' then       -- whoever gives it up first says why
  local r = call('HMGET', job_key(job), 'kind', 'chat', 'user')
  call('XADD', DEAD, 'MAXLEN', '~', 10000, '*', 'kind', r[1] or '', 'job', job, 'chat', r[2] or '', 'user', r[3] or '', 'at', now(), 'queue', q,
    'reason', about)
end
if cause ~= '' then alert(cause, about) end
local function say_to_who_asked(name, what)
  local who = by_name(call('HGETALL', job_key(job)))
  say_line(job .. name, pick({}, { 'chat', 'chat_type', 'user', 'role', 'topic', 'lang', 'name' }, who), what)
end
if in_vain then say_to_who_asked('-said', 'nothing_to_stop') end
if near then say_to_who_asked('-near', near) end
if #gives > 0 then
  local who = by_name(call('HGETALL', job_key(job)))
  for i, give in ipairs(gives) do
    if how == 'done' then
      direct(job .. '-give-' .. i - 1, pick({ 'kind', 'line', 'as', 'file', 'blob', give.blob, 'blob_type', 'application/octet-stream', 'blob_name', give.name,
        'blob_bytes', give.bytes }, { 'chat', 'chat_type', 'user', 'role', 'topic', 'lang', 'name', 'message', 'v' }, who))
    else                                 -- nobody will have it: it makes room
      call('ZADD', BLOBS, 'XX', now(), give.blob .. ' ' .. give.bytes)
    end
  end
end
if next_stage == 'end' then
  finish(job, conv, how)
elseif next_stage == 'follow' then
  call('HDEL', job_key(job), 'attempts', 'doing')          -- a new step, with tries of its own
  call('HSET', job_key(job), 'queue', 'outbound', 'entry', told[2] or '')
  if conv ~= '' then call('ZADD', BUSY, now(), conv) end
  wake(job, 'holder', 'done')
else
  call('HDEL', job_key(job), 'attempts', 'doing')
  local said = call('STRLEN', text_key(job))      -- what a later round that is begun again leaves alone
  call('HSET', job_key(job), 'said', said)
  if q == 'media' and next_stage == 'llm' then call('HSET', job_key(job), 'prelude', said) end
  if rest ~= '' then wake(job, 'holder', 'text') end
  emit(next_stage, job, conv)
end
return 'ok'
