-- Creates the record of an asynchronous execution, in state queued.
-- KEYS: 1 the record
-- ARGV: 1 tenant, 2 what is to be run (JSON), 3 now in ms, 4 life of an execution that does not end, in ms
-- Result: 1
-- Atomic because a record without its time to live would stay for ever.
redis.call('HSET', KEYS[1], 'tenant', ARGV[1], 'state', 'queued', 'order', ARGV[2], 'createdAt', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
