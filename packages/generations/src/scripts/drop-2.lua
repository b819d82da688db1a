-- Tells all replicas to drop a generation from their memories.
-- KEYS: 1 hash of the namespace: version, drops, 2 list of what was dropped last, newest first
-- ARGV: 1 the key of the generation, 2 how many are remembered
-- Result: how many were ever dropped
-- Atomic because the count tells a replica how much of the list it has not seen.
redis.call('LPUSH', KEYS[2], ARGV[1])
redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[2]) - 1)
return redis.call('HINCRBY', KEYS[1], 'drops', 1)
