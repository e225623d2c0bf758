-- wish: what the ledger was asked makes sense as a change (/setmodel, /model): from now on the job is one, and comes back to it as an entry `set`.
-- Or it goes round once more as it is, behind all that was asked for before now (/forget).
-- ARGV: queue, entry, job, n, n × (name, value)   fields of the job: set:0, …, line, about; `kind` where it is not to be `set`
-- Answers: 'ok' | 'stale' (somebody has answered it, perhaps we ourselves)
local q, e, job = ARGV[1], ARGV[2], ARGV[3]
local fields = pairs_at(5, tonumber(ARGV[4]))
if guard(q, e, job) ~= 'live' then
  forget(q, e)
  return 'stale'
end
need_to_move('')
need('stream', LEDGER)
ack(q, e)
call('HSET', job_key(job), 'kind', 'set', unpack(fields))
emit('ledger', job, '')
return 'ok'
