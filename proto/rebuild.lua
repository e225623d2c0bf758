-- rebuild: the spend counters, and what is set of the bot and its users, as the database has them, when Redis has lost them. The
-- counters are exact only when no event is on its way: with events in the stream nothing is done.
-- ARGV: 'more' | 'last' (then all of it is ready), n, n × (period, spent, seconds to keep), m, m × (hash, field, value), as `told` has them
-- Answers: 'ok' | 'ready' (they are already) | 'again' (events are on their way)
if call('EXISTS', P .. 'spend:ready') == 1 then return 'ready' end
if call('XLEN', LEDGER) > 0 then return 'again' end
local periods = tonumber(ARGV[2])
for i = 0, periods - 1 do need('hash', spend_key(ARGV[3 + 3 * i])) end
local writes = kept_at(3 + 3 * periods)
for i = 0, periods - 1 do
  local period, spent, keep = ARGV[3 + 3 * i], ARGV[4 + 3 * i], ARGV[5 + 3 * i]
  call('HSET', spend_key(period), 'spent', spent)
  call('EXPIRE', spend_key(period), keep)
end
write_kept(writes)
if ARGV[1] == 'last' then call('SET', P .. 'spend:ready', 1) end
return 'ok'
