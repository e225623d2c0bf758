-- claim: entries of a worker that is taken for dead become ours.
-- ARGV: queue, me, whose ('dead': another worker's, counted as a takeover | 'own': lost on the way to us; with ':<worker>'
--       behind it only what is pending on him still, so that of two who saw him die one gets it), entry...
-- Answers: a list of {entry, its fields flat, takeovers of this job so far ('' for an entry of no known job)};
--          what was stale or no longer there is left out (and gone)
local q, me = ARGV[1], ARGV[2]
local whose, from = string.match(ARGV[3], '^(%a+):?(.*)$')
local taken = {}
for i = 4, #ARGV do
  local id = ARGV[i]
  local pending = from ~= '' and call('XPENDING', P .. q, q, id, id, 1)[1]
  if from == '' or (pending and pending[2] == from) then
    local found = call('XRANGE', P .. q, id, id)[1]
    local flat, field = found and found[2], {}
    for k = 1, flat and #flat or 0, 2 do field[flat[k]] = flat[k + 1] end
    local job = field.job
    local known = q ~= 'ledger' and job and is_job(job)
    local readable, is = true, nil
    if known then readable, is = pcall(guard, q, id, job) end       -- one broken conversation does not keep the others waiting
    if not found or is == 'stale' and readable then
      forget(q, id)
    elseif readable and call('XCLAIM', P .. q, q, me, 0, id)[1] then
      local count = known and call('HINCRBY', job_key(job), 'takeovers:' .. q, whose == 'dead' and 1 or 0) or ''
      taken[#taken + 1] = { id, flat, count }
    end
  end
end
return taken
