-- bury: an entry that makes no sense leaves its stream for the dead ones, with the reason.
-- ARGV: queue, entry, reason, n, n × (name, value)   what the entry held (cut to a bounded size by the caller)
-- Answers: 'ok'
local q, e, reason = ARGV[1], ARGV[2], ARGV[3]
local fields = pairs_at(5, tonumber(ARGV[4]))
need('stream', DEAD)
call('XACK', P .. q, q, e)
if call('XDEL', P .. q, e) == 1 then
  local said = {}
  for i = 1, #fields, 2 do said[fields[i]] = true end
  local row = { 'queue', q, 'reason', reason, 'buried', now() }
  for _, name in ipairs({ 'kind', 'job', 'chat', 'user', 'at' }) do
    if not said[name] then row[#row + 1] = name; row[#row + 1] = '' end
  end
  for _, value in ipairs(fields) do row[#row + 1] = value end
  call('XADD', DEAD, 'MAXLEN', '~', 10000, '*', unpack(row))
end
return 'ok'
