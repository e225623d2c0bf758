-- begin: right before each request that costs money. Counts the request and takes the reservation, all or none.
-- ARGV: queue, entry, job, call, try (1 for the first request of this call, over all restarts), try_max, lost (a response id
--       that is known to be of no use, '' none), want, least (nano-dollars), n, n × (period, limit ('' none), seconds to keep),
--       worker (may be left out: then two that hold one entry count as one)
-- Answers: {'go', reserved} | {'known', response id, ms since it was created} | {'stop', why, response id or ''}
--        | {'spent'} (no try is left) | {'over', period} (a budget does not allow `least`)
--        | {'held', period} (others' reservations are in the way: ask again soon) | {'wait', ms} (circuit breaker)
--        | {'unready'} (the counters have not been rebuilt from the ledger yet: ask again soon) | {'stale'}
local q, e, job, paid_call = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local try, try_max, lost = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local want, least = tonumber(ARGV[8]), tonumber(ARGV[9])
if guard(q, e, job) ~= 'live' then
  forget(q, e)
  return { 'stale' }
end
local r = call('HMGET', job_key(job), 'stop', 'response:' .. paid_call, 'born:' .. paid_call, 'posts:' .. paid_call,
  'hold:' .. paid_call, 'begun:' .. paid_call, 'chat')
local stop, response, born, posts, hold = r[1], r[2], r[3], tonumber(r[4]) or 0, r[5]
if not stop and r[7] and call('EXISTS', P .. 'gone:' .. r[7]) == 1 then      -- whoever shows it need not try either
  stop = 'gone'
  call('HSET', job_key(job), 'stop', stop)
end
if stop then return { 'stop', stop, response or '' } end
if response and response ~= lost then return { 'known', response, now() - tonumber(born) } end
local worker = ARGV[11 + 3 * tonumber(ARGV[10])]
local begun = worker and worker .. ' ' .. try
if begun and begun == r[6] then try = posts                       -- asked again for a lost reply
elseif begun or try ~= posts then try = posts + 1 end             -- a further one, perhaps after another worker's
if try > try_max then return { 'spent' } end
local function forget_lost()                      -- its text goes with it
  if not response then return end
  call('HDEL', job_key(job), 'response:' .. paid_call, 'born:' .. paid_call)
  local said = tonumber(call('HGET', job_key(job), 'said')) or 0          -- by the rounds before, and committed
  if said > 0 then call('SET', text_key(job), call('GETRANGE', text_key(job), 0, said - 1)) else call('DEL', text_key(job)) end
  call('HINCRBY', job_key(job), 'draft', 1)
end
local open = call('PTTL', P .. 'breaker:open')
if open > 0 then
  forget_lost()                                   -- or it would be looked up and found failed again after each wait
  return { 'wait', open }
end
local periods, at = {}, 11
local reserved, over, held_by = want, nil, nil
local limited = false
for i = 1, tonumber(ARGV[10]) do
  local period, limit, keep = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  at = at + 3
  periods[i] = { period, keep, limit }
  need('hash', spend_key(period))
  if limit ~= '' then
    limited = true
    local s = call('HMGET', spend_key(period), 'spent', 'held', usual_field(paid_call))
    local left = tonumber(limit) - (tonumber(s[1]) or 0)
    local free = left - (tonumber(s[2]) or 0)
    local room = left * 2 < tonumber(limit) and math.max(least, tonumber(s[3]) or 0) or least
    if left < room or tonumber(limit) == 0 then over = over or period
    elseif free < room then held_by = held_by or period end
    if free < reserved then reserved = free end
  end
end
if not hold then
  if limited and call('EXISTS', P .. 'spend:ready') == 0 then return { 'unready' } end
  if over then return { 'over', over } end
  if held_by then return { 'held', held_by } end
end
call('HSET', job_key(job), 'posts:' .. paid_call, try)
if begun then call('HSET', job_key(job), 'begun:' .. paid_call, begun) end
forget_lost()
if hold then return { 'go', string.match(hold, '^%S+') } end
reserved = string.format('%.0f', reserved)
local names = {}
for i, p in ipairs(periods) do
  names[i] = p[1]
  call('HINCRBY', spend_key(p[1]), 'held', reserved)
  if p[3] ~= (call('HGET', spend_key(p[1]), 'limit') or '') then               -- for who settles it: is it near?
    call('HDEL', spend_key(p[1]), 'limit', 'warned')
    if p[3] ~= '' then call('HSET', spend_key(p[1]), 'limit', p[3]) end
  end
  call('EXPIRE', spend_key(p[1]), p[2])
end
call('HSET', job_key(job), 'hold:' .. paid_call, reserved .. ' ' .. table.concat(names, ' '))
return { 'go', reserved }
