#!lua flags=allow-oom
-- alert: any service tells the administrators, once per cause and hour.
-- ARGV: cause, about
-- Answers: how many were told
need_to_move('')
return alert(ARGV[1], ARGV[2])
