-- catalog: the models that OpenAI's list has, in place of those that were known before.
-- ARGV: n, n × (model, `<created> <shutdown date or -> <owner>`)
-- Answers: how many these are
local models = pairs_at(2, tonumber(ARGV[1]))
local key = P .. 'models'
need('hash', key)
if #models == 0 then return 0 end
call('DEL', key)
for i = 1, #models, 2 do call('HSET', key, models[i], models[i + 1]) end
call('EXPIRE', key, 7 * DAY)
return #models / 2
