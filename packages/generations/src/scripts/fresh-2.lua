-- Gives out a sample index that nobody has used.
-- KEYS: 1 sorted set of stored samples by the time at which they expire, 2 hash of verdicts and of
--       the counter of new samples
-- ARGV: 1 the first index that is given out, 2 how long the counter is remembered in ms
-- Result: a sample index
-- Atomic because two callers must never be given the same.
local index
repeat
  index = tonumber(ARGV[1]) + redis.call('HINCRBY', KEYS[2], 'next', 1) - 1
until not redis.call('ZSCORE', KEYS[1], string.format('%d', index))
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
return index
