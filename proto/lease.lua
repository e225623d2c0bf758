#!lua flags=allow-oom
-- lease: of several only one (poller, writer). It has no expiry: whoever wants it watches the holder's heartbeat counter and
-- names the one that he has seen dead.
-- ARGV: name, me, dead ('' none), 'take' | 'leave'
-- Answers: who has it now ('' nobody)
local key, me, dead = P .. 'lease:' .. ARGV[1], ARGV[2], ARGV[3]
local holder = call('GET', key)
if ARGV[4] == 'leave' then
  if holder == me then
    call('DEL', key)
    call('PUBLISH', P .. 'wake:' .. ARGV[1], 'lease ' .. ARGV[1])
    return ''
  end
  return holder or ''
end
if not holder or holder == dead then
  call('SET', key, me)
  return me
end
return holder
