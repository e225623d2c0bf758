-- release: a worker that leaves hands an entry back; a fresh entry with a fresh token, so whoever is there reads it at once.
-- ARGV: queue, entry, job
-- Answers: 'ok' | 'stale'
local q, e, job = ARGV[1], ARGV[2], ARGV[3]
local is, conv = guard(q, e, job)
if is == 'stale' then
  forget(q, e)
  return 'stale'
end
need_to_move(conv)
ack(q, e)
renew(is, q, job, conv)
return 'ok'
