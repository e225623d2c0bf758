#!lua flags=no-writes
-- look: once a second, what became of the entries in hand. Read-only, so it costs the append-only file nothing.
-- ARGV: queue, worker, then triples: entry, job, bytes of text known ('' = text is not wanted)
-- Answers: six values per entry: 'live' | 'follow' | 'stale' | 'lost' (another one holds it), why it is stopped or '',
--          draft number, length of the text, the text behind what is known ('' when none or not wanted), what is being done or ''
local q, worker = ARGV[1], ARGV[2]
local seen = {}
for i = 3, #ARGV, 3 do
  local e, job, known = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local is = guard(q, e, job)
  local r = call('HMGET', job_key(job), 'stop', 'draft', q == 'outbound' and 'holder' or 'worker', 'doing')
  if is ~= 'stale' and r[3] and r[3] ~= worker then is = 'lost' end
  local length = call('STRLEN', text_key(job))
  local more = ''
  if known ~= '' and length > tonumber(known) then more = call('GETRANGE', text_key(job), known, tonumber(known) + 65535) end
  local n = #seen
  seen[n + 1], seen[n + 2], seen[n + 3], seen[n + 4], seen[n + 5], seen[n + 6] = is, r[1] or '', r[2] or '0', length, more, r[4] or ''
end
return seen
