#!lua flags=allow-oom
-- breaker: shared by all that call one peer. It opens after `most` failures in a row with no success between, for a time
-- that doubles each time it opens again, at most 30 s.
-- ARGV: 'failed' | 'answered', most
-- Answers: ms that it stays open (0: closed)
need('string', P .. 'breaker:failures', P .. 'breaker:opened', P .. 'breaker:open')
if ARGV[1] == 'answered' then
  call('DEL', P .. 'breaker:failures', P .. 'breaker:opened')
  return 0
end
local failures = call('INCR', P .. 'breaker:failures')
call('EXPIRE', P .. 'breaker:failures', 60)
if failures >= tonumber(ARGV[2]) and call('PTTL', P .. 'breaker:open') <= 0 then
  local opened = call('INCR', P .. 'breaker:opened')
  call('EXPIRE', P .. 'breaker:opened', 300)
  call('SET', P .. 'breaker:open', 1, 'PX', math.min(30000, 1000 * 2 ^ (opened - 1)))
end
return math.max(0, call('PTTL', P .. 'breaker:open'))
