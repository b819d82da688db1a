-- Deletes a stored generation and what is recorded of it.
-- KEYS: 1 the stored generation, 2 sorted set of stored samples, 3 sorted set of those that passed,
--       4 hash of verdicts and of the counter of new samples. All carry the family's hash tag.
-- ARGV: 1 sample index
-- Result: 1 if it was there, else 0
-- Atomic because an answer that is stored between two of these steps would lose its record.
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[4], 'verdict:' .. ARGV[1])
return redis.call('UNLINK', KEYS[1])
