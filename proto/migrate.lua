#!lua flags=allow-oom
-- migrate: a group has become a supergroup and has another id. Its conversations move when they are next spoken in.
-- ARGV: old id, new id
-- Answers: 'ok'
call('SET', P .. 'was:' .. ARGV[2], ARGV[1], 'EX', 60 * DAY)
return 'ok'
