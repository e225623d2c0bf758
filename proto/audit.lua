-- audit: conversations that have been busy for long. What has vanished is emitted again; the guard makes that harmless even
-- when it is wrong. What this repairs is counted and must be 0.
-- ARGV: older than (ms without a step), most at once
-- Answers: how many were repaired
local function before(a, b)      -- of entry ids
  local a1, a2 = string.match(a, '(%d+)-(%d+)')
  local b1, b2 = string.match(b, '(%d+)-(%d+)')
  a1, a2, b1, b2 = tonumber(a1), tonumber(a2), tonumber(b1), tonumber(b2)
  return a1 < b1 or (a1 == b1 and a2 <= b2)
end
local function delivered_to(q)
  for _, group in ipairs(call('XINFO', 'GROUPS', P .. q)) do
    local about = {}
    for k = 1, #group, 2 do about[group[k]] = group[k + 1] end
    if about.name == q then return about['last-delivered-id'] end
  end
  return '0-0'
end
local function lost(q, e)        -- nobody has it (or one who is in no book, so that nobody would see him die) and nobody will read it
  if call('EXISTS', P .. q) == 0 then return true end
  if not call('XRANGE', P .. q, e, e)[1] then return true end
  if not before(e, delivered_to(q)) then return false end      -- nobody has read it yet
  local pending = call('XPENDING', P .. q, q, e, e, 1)[1]
  return not pending or call('HEXISTS', P .. 'workers', pending[2]) == 0
end
need('stream', P .. 'media', P .. 'llm', P .. 'outbound')
need('zset', LATER)
need('hash', P .. 'workers', P .. 'counters')
local repaired, at = 0, now()
for _, conv in ipairs(call('ZRANGEBYSCORE', BUSY, '-inf', at - tonumber(ARGV[1]), 'LIMIT', 0, ARGV[2])) do
  local sound = is_type('hash', chat_key(conv)) and is_type('list', lane_key(conv))
  local job = sound and call('HGET', chat_key(conv), 'job')
  if not job then
    call('ZREM', BUSY, conv)
  elseif not is_job(job) or call('HEXISTS', job_key(job), 'ended') == 1 then
    call('EXPIRE', text_key(job), DAY)
    dispatch(conv)
    repaired = repaired + 1
  else
    local r = call('HMGET', job_key(job), 'queue', 'entry', 'follow')
    call('ZADD', BUSY, at, conv)
    if r[1] == 'later' then
      if not call('ZSCORE', LATER, 'conv:' .. conv) then
        call('ZADD', LATER, at, 'conv:' .. conv)
        repaired = repaired + 1
      end
    else
      local q, e, follow = STAGES[r[1]] and r[1] or 'llm', r[2] or '', r[3] or ''
      if e == '' or lost(q, e) then
        if e ~= '' then forget(q, e) end
        emit(q, job, conv)
        repaired = repaired + 1
      end
      if q ~= 'outbound' and (follow == '' or lost('outbound', follow)) then
        if follow ~= '' then forget('outbound', follow) end
        emit_follow(job)
        repaired = repaired + 1
      end
    end
  end
end
if repaired > 0 then call('HINCRBY', P .. 'counters', 'audit_repairs', repaired) end
return repaired
