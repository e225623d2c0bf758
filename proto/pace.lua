#!lua flags=allow-oom
-- pace: may a message go out now? Shared by all outbound workers: one bucket for the bot, one for the chat (leaky, by arrival
-- time), and the pauses that Telegram asked for.
-- ARGV: chat, per second bot-wide (0: unpaced), burst, per second per chat (0: unpaced), burst, 'send' | 'try' (an edit that may be left out: it waits for nobody)
-- Answers: ms to wait (0: go, it has been counted)
local chat, kind = ARGV[1], ARGV[6]
local at = now()
local wait = math.max(0, call('PTTL', P .. 'pause:' .. chat), call('PTTL', P .. 'pause:all'))
local buckets = { { P .. 'pace:all', tonumber(ARGV[2]), tonumber(ARGV[3]) }, { P .. 'pace:' .. chat, tonumber(ARGV[4]), tonumber(ARGV[5]) } }
local times = {}
for i, b in ipairs(buckets) do
  if b[2] > 0 then
    local gap = 1000 / b[2]
    local due = math.max(tonumber(call('GET', b[1])) or at, at)        -- when the bucket has drained
    local slack = kind == 'try' and gap * (b[3] - 1) / 2 or gap * (b[3] - 1)
    wait = math.max(wait, due - at - slack)
    times[i] = due + gap
  end
end
if wait > 0 then return math.ceil(wait) end
for i, b in ipairs(buckets) do
  if times[i] then call('SET', b[1], string.format('%.3f', times[i]), 'PX', math.max(1, math.ceil(times[i] - at))) end
end
return 0
