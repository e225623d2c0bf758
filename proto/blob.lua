-- blob: bytes on their way out, piece by piece: blob:<id>, three days until they were delivered, a day from then on. Those that were are
-- kept for convenience: they make room. What was not is paid for: when nothing else is left the next one has to wait.
-- ARGV: 'add', id, at (bytes before this piece), piece, bytes of all blobs at most, blobs at most
--    or 'drop', id, bytes       nobody wants it
-- Answers: 'ok' | 'full' (nothing was written: ask again later)
local what, id, at = ARGV[1], ARGV[2], tonumber(ARGV[3])
local BYTES = P .. 'blobs:bytes'
local key = P .. 'blob:' .. id
need('string', key, BYTES)
need('zset', BLOBS)

local function drop(member)
  local name, bytes = string.match(member, '^(%S+) (%d+)$')
  if call('ZREM', BLOBS, member) == 1 and name then
    call('DEL', P .. 'blob:' .. name)
    call('DECRBY', BYTES, bytes)
  end
end
if what == 'drop' then
  drop(id .. ' ' .. ARGV[3])
  return 'ok'
end

local piece, bytes_most, most = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local before, after = id .. ' ' .. at, id .. ' ' .. at + #piece
if call('ZSCORE', BLOBS, after) then return 'ok' end              -- asked again for a lost reply
for _, member in ipairs(call('ZRANGEBYSCORE', BLOBS, '-inf', now(), 'LIMIT', 0, 4)) do drop(member) end
if call('ZCARD', BLOBS) == 0 then call('DEL', BYTES) end
local function has_room()
  return (tonumber(call('GET', BYTES)) or 0) + #piece <= bytes_most and call('ZCARD', BLOBS) < most + (at > 0 and 1 or 0)
end
for _, member in ipairs(call('ZRANGEBYSCORE', BLOBS, '-inf', now() + DAY * 1000, 'LIMIT', 0, 4)) do
  if has_room() then break end
  drop(member)
end
if not has_room() then return 'full' end
call('SETRANGE', key, at, piece)
call('EXPIRE', key, BLOB_DAYS * DAY)
call('ZREM', BLOBS, before)
call('ZADD', BLOBS, now() + BLOB_DAYS * DAY * 1000, after)
call('INCRBY', BYTES, #piece)
call('EXPIRE', BLOBS, 7 * DAY)
call('EXPIRE', BYTES, 7 * DAY)
return 'ok'
