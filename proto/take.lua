#!lua flags=allow-oom
-- take: a worker has an entry in its hands: is it still the job's, and what is to be done? Says who holds it from now on.
-- ARGV: queue, entry, job, worker
-- Answers: {'stale'} (the entry is gone) | {'unknown'} (no such job: the caller buries the entry) | {'live' or 'follow', job's fields, conversation's fields, text}
--          fields flat, for who works with budgets those that an administrator has set in the chat among them: `limit:day`, `limit:month`,
--          `limit:all` (nano-dollars, or 'none'; not there: what the worker's settings say), and `library` (a vector store at OpenAI that holds
--          the user's documents), `shelved` (how many, where one is to be added); conversation's {} on outbound and for direct jobs; text '' elsewhere than on outbound
local q, e, job, worker = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if call('HEXISTS', job_key(job), 'conv') == 0 then return { 'unknown' } end
local is, conv = guard(q, e, job)
if is == 'stale' then
  forget(q, e)
  return { 'stale' }
end
local out = q == 'outbound'

-- The user's own limit goes before his role's.
local function limits()
  local user, role = unpack(call('HMGET', job_key(job), 'user', 'role'))
  local own = call('HMGET', P .. 'user:' .. (user or ''), 'daily_budget_nusd', 'monthly_budget_nusd', 'role')
  role = string.upper(role or own[3] or 'user')
  local set = call('HMGET', P .. 'settings', role .. '_DAILY_BUDGET_NUSD', role .. '_MONTHLY_BUDGET_NUSD', 'GLOBAL_MONTHLY_BUDGET_NUSD')
  return { ['limit:day'] = own[1] or set[1], ['limit:month'] = own[2] or set[2], ['limit:all'] = set[3] }
end
local set = out and {} or limits()

-- The store of documents that its user keeps, where it is his to be asked about; where one is to be added, also how many there are.
local function add_library()
  local user, place, kind = unpack(call('HMGET', job_key(job), 'user', 'chat_type', 'kind'))
  local key = library_key(user or '')
  local store = place == 'private' and call('HGET', key, 'store')
  local count = store and call('HLEN', key) - 1 or 0
  if store and (count > 0 or kind == 'library') then set.library = store end
  if kind == 'library' then set.shelved = tostring(count) end
  return store and key
end
local library = not out and add_library()
local chat = (not out and conv ~= '') and call('HGETALL', chat_key(conv)) or {}
local text = out and call('GET', text_key(job)) or ''
call('HSET', job_key(job), out and 'holder' or 'worker', worker)
if library then call('EXPIRE', library, 60 * DAY) end
return { is, pick(call('HGETALL', job_key(job)), { 'limit:day', 'limit:month', 'limit:all', 'library', 'shelved' }, set), chat, text }
