#!lua flags=allow-oom
-- mark: what became of a part of the answer: '' nothing yet, 'S' about to be sent, else its message id. Compare and set.
-- ARGV: entry, job, worker, part, from, to
-- Answers: {'ok', newest message of a private conversation, where it is known} | {'no', what stands there} | {'stale'} (not ours to show: not the job's entry, or another one holds it)
local e, job, worker, part, from, to = unpack(ARGV, 1, 6)
local r = call('HMGET', job_key(job), 'holder', 'part:' .. part, 'ended', 'chat', 'topic')
local is = r[2] or ''
local guarded, conv = guard('outbound', e, job)
if guarded == 'stale' or r[1] ~= worker then
  -- Over, and this part was still under way: the message that arrives late is the only one there is.
  if not (r[3] and is == 'S' and from == 'S' and to ~= '') then return { 'stale' } end
end
if conv == '' then conv = (r[4] or '') .. ((r[5] or '') ~= '' and ':' .. r[5] or '') end      -- a line of ours stands there as well
local newest = is_type('hash', chat_key(conv)) and call('HGET', chat_key(conv), 'newest') or nil
if is == to then return { 'ok', newest } end
if is ~= from then return { 'no', is } end
if to == '' then call('HDEL', job_key(job), 'part:' .. part) else call('HSET', job_key(job), 'part:' .. part, to) end
if string.match(part, '^%d+$') then note_message(conv, to) end
return { 'ok', newest }
