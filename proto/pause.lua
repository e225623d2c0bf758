#!lua flags=allow-oom
-- pause: Telegram asked for silence. A pause is never shortened.
-- ARGV: chat ('all': the whole bot), ms
-- Answers: ms that it lasts now
local key = P .. 'pause:' .. ARGV[1]
if call('PTTL', key) < tonumber(ARGV[2]) then call('SET', key, 1, 'PX', ARGV[2]) end
return call('PTTL', key)
