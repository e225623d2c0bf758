-- reap: a worker that is gone leaves the books, but only when nothing is pending on it, seen in the same step.
-- ARGV: queue, worker
-- Answers: 1 (gone) | 0 (entries are pending on it)
local q, worker = ARGV[1], ARGV[2]
need('hash', P .. 'workers')
if call('EXISTS', P .. q) == 1 and #call('XPENDING', P .. q, q, '-', '+', 1, worker) > 0 then return 0 end
if call('EXISTS', P .. q) == 1 then call('XGROUP', 'DELCONSUMER', P .. q, q, worker) end
call('HDEL', P .. 'workers', worker)
return 1
