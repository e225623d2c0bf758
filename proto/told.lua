-- told: what the ledger was asked is answered: a question from its database, or a change that is durable there now. The answer, the
-- change in Redis and the entry that shows the answer are one step. What it takes back is told anew: a stale entry changes nothing.
-- ARGV: queue, entry, job, text (raw Markdown that is the answer, '' none: a line or a picture is), n, n × (name, value)   fields of the job,
--       m, m × (hash: 'settings' or 'user:<id>', field, value; '' takes the field out)
-- Answers: 'ok' | 'stale' (somebody has answered it, perhaps we ourselves)
local q, e, job, text = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local fields, at = pairs_at(6, tonumber(ARGV[5]))
local writes = kept_at(at)
local is = guard(q, e, job)
if is ~= 'live' then
  forget(q, e)
  return 'stale'
end
need_to_move('')
need('string', text_key(job))
local user, chat, message, lang, what, callback, asker, line, line_about = unpack(call('HMGET', job_key(job), 'grants', 'chat', 'message', 'lang', 'what', 'callback', 'user', 'line', 'about'))
local role = nil                                                        -- that was given by a button
for _, w in ipairs(writes) do
  if user and w[1] == P .. 'user:' .. user and w[2] == 'role' then role = w[3] end
end
local had, about, messages = role and call('HGET', P .. 'user:' .. user, 'role'), user, {}
local asked, asked_lang, name = string.match(role and call('GET', knock_key(user)) or '', '^(%d+) (%S*) (.*)$')
if role then messages[chat] = tonumber(message) end
need('hash', job_key(job .. '-told'), job_key(job .. '-said'), job_key(job .. '-press'))
if asked then
  about = name .. ' (' .. user .. ')'
  for _, admin in ipairs(call('SMEMBERS', P .. 'admins')) do
    messages[admin] = messages[admin] or tonumber(call('HGET', job_key(knock_job(user, asked, admin)), 'part:0') or '')
  end
end
for admin in pairs(messages) do need('hash', job_key(job .. '-' .. admin)) end

-- What is in force now is said to whoever pressed, under each administrator's question in place of its buttons, and to the one who may
-- talk from now on. Of two administrators who press at once the later one decides, here as in the database.
local function say(name, whom, words)
  direct(name, pick({ 'kind', 'line', 'chat', whom, 'chat_type', 'private', 'user', whom, 'at', now() }, { 'line', 'about', 'lang', 'role', 'part:0' }, words))
end
local function say_role()
  local line = 'granted_' .. (role == '' and 'none' or role)
  for admin, at in pairs(messages) do
    if at > 0 then say(job .. '-' .. admin, admin, { line = line, about = about, lang = admin == chat and lang, role = 'admin', ['part:0'] = at }) end
  end
  local may, might = role == 'user' or role == 'guest', had == 'user' or had == 'guest'
  if may and not might then say(job .. '-told', user, { line = 'access_given', lang = asked_lang ~= '' and asked_lang }) end
  for _, word in ipairs({ 'line', line, 'about', about }) do fields[#fields + 1] = word end
end

ack(q, e)
write_kept(writes)
if role then say_role() end
if what == 'forget_now' and (tonumber(message) or 0) > 0 then       -- in place of the question whether he means it
  say(job .. '-said', chat, { line = 'forget_done', lang = lang, ['part:0'] = message })
end
if callback and (what == 'setmodel' or what == 'model') and #writes > 0 and chat == asker and (tonumber(message) or 0) > 0 then
  say(job .. '-said', chat, { line = line, about = line_about, lang = lang, ['part:0'] = message })       -- what was chosen, in place of the menu
end
local turns = callback and by_name(fields)['choice:0'] and (tonumber(message) or 0) > 0     -- a button under a menu: what it leads to stands there instead
call('HSET', job_key(job), 'kind', callback and not turns and 'press' or 'line', unpack(fields))
if turns then
  call('HSET', job_key(job), 'part:0', message)
  direct(job .. '-press', { 'kind', 'press', 'callback', callback, 'chat', chat or '', 'user', asker or '', 'lang', lang or '', 'at', now() })
end
if text ~= '' then call('SET', text_key(job), text, 'EX', 7 * DAY) end
emit('outbound', job, '')
return 'ok'
