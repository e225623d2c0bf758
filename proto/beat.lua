#!lua flags=allow-oom
-- beat: a worker lives. Must pass with a full memory too: else all would look dead to each other.
-- ARGV: worker
-- Answers: its counter
return call('HINCRBY', P .. 'workers', ARGV[1], 1)
