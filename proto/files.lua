-- files: what a conversation has uploaded to OpenAI and what is not expired there, or what stands in somebody's library: the list, or one of
-- them deleted.
-- ARGV: update, job (the direct one that answers), conv, drop (the file whose button was pressed, as the list calls it; '-': all of a library; '' the list is asked for),
--       n, n × (name, value)   fields of the direct job; with `callback` its `message` is the list, which is written anew;
--       'library' where that is meant (else left out)
-- Answers: 'ok' | 'dup' | 'none' (there is no such file, or none at all) | 'refused' (as of accept)
local MOST = 20
local update, job, conv, drop = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local fields, behind = pairs_at(6, tonumber(ARGV[5]))
local library = ARGV[behind] == 'library'
local asked = by_name(fields)
local no = is_refused(asked)
if no then need('set', P .. 'admins') end
local old = not library and former(conv) or nil
local kept = library and library_key(asked.user or '') or uploads_key(conv)
local all = call('HGETALL', old and uploads_key(old) or kept)
need_to_move(old or (library and '' or conv))
need('hash', job_key(job), job_key(job .. '-list'), job_key(job .. '-files'))

local there, gone, dropped = {}, {}, nil       -- newest first; deleted at OpenAI or gone there; the one that a button named
local unwanted, store = {}, nil
for i = 1, #all, 2 do
  local ms, bytes, name = string.match(all[i + 1], '^(%d+) %S+ (%d+) (.*)$')
  local file = { id = all[i], tag = string.sub(redis.sha1hex(all[i]), 1, 12), ms = tonumber(ms) or 0, bytes = bytes or '0', name = name or '?' }
  if all[i] == 'store' then store = all[i + 1]
  elseif drop == '-' then unwanted[#unwanted + 1] = file.id
  elseif drop ~= '' and file.tag == drop then dropped = file
  elseif not library and file.ms + MONTH_MS < now() then gone[#gone + 1] = file.id
  else there[#there + 1] = file end
end
if dropped then unwanted[1] = dropped.id end
if drop == '-' and store then unwanted[#unwanted + 1] = store end
table.sort(there, function(a, b) return a.ms > b.ms or (a.ms == b.ms and a.id < b.id) end)

-- The direct job that says it: a list may stand in the chat already, as message `at`.
local function list(name, at)
  local told = {}
  for i = 1, #fields, 2 do
    if fields[i] ~= 'callback' and fields[i] ~= 'kind' then told[#told + 1], told[#told + 2] = fields[i], fields[i + 1] end
  end
  for i = 1, math.min(#there, MOST) do
    local file = there[i]
    told[#told + 1], told[#told + 2] = 'item:' .. i - 1, file.tag .. ' ' .. string.format('%.0f', file.ms) .. ' ' .. file.bytes .. ' ' .. file.name
  end
  if at then told[#told + 1], told[#told + 2] = 'part:0', at end
  local word = library and 'library' or 'files'
  say_line(name, told, #there > 0 and word or 'no_' .. word, #there)
end

if seen_before(update) then return 'dup' end
is_heard_from(asked.chat or '')
if no then return refuse(job, fields, asked, no) end
if not asked.callback then call('DEL', ask_key(asked)) end
if old then move(old, conv) end
if #unwanted > 0 then forget_files(job .. '-files', asked.chat or '', asked.user or '', unwanted) end
if dropped then table.insert(gone, 1, dropped.id) end
if drop == '-' then call('DEL', kept)
elseif #gone > 0 then call('HDEL', kept, unpack(gone, 1, math.min(#gone, 1000))) end
if drop == '' then
  list(job)
  return #there > 0 and 'ok' or 'none'
end
if (tonumber(asked.message) or 0) > 0 then list(job .. '-list', asked.message) end
if drop == '-' then
  say_line(job, fields, 'library_emptied')
  return 'ok'
end
say_line(job, fields, dropped and 'file_dropped' or 'file_not_there', dropped and dropped.name)
return dropped and 'ok' or 'none'
