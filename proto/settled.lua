-- settled: ledger events that are in the database now.
-- ARGV: entry...
-- Answers: how many left the stream
call('XACK', LEDGER, 'ledger', unpack(ARGV))
return call('XDEL', LEDGER, unpack(ARGV))
