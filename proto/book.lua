#!lua flags=allow-oom
-- book: money that was spent for work thrown away. Its event id carries the response's, so that it is booked once.
-- ARGV: event id, cost (nano-dollars), p, p × (period, seconds to keep), n, n × (name, value)   the ledger event
-- Answers: 'ok' | 'dup' (also when the response has been settled by a commit: then it was no waste)
local id, cost = ARGV[1], ARGV[2]
local periods, at = pairs_at(4, tonumber(ARGV[3]))
local event = pairs_at(at + 1, tonumber(ARGV[at]))
for i = 1, #periods, 2 do need('hash', spend_key(periods[i])) end
need('stream', LEDGER)
local of, paid_call = by_name(event), string.match(id, ':([^:]+):wasted:')
if paid_call and of.response and call('HGET', job_key(of.job or ''), 'settled:' .. paid_call) == of.response then return 'dup' end
if not call('SET', P .. 'booked:' .. id, 1, 'NX', 'EX', DAY) then return 'dup' end
for i = 1, #periods, 2 do
  call('HINCRBY', spend_key(periods[i]), 'spent', cost)
  call('EXPIRE', spend_key(periods[i]), periods[i + 1])
end
call('XADD', LEDGER, '*', unpack(event))
return 'ok'
