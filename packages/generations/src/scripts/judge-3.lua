-- Writes the verdict on a stored sample.
-- KEYS: 1 sorted set of stored samples by the time at which they expire, 2 the same of those that
--       passed, 3 hash of verdicts and of the counter of new samples
-- ARGV: 1 sample index, 2 the verdict as JSON, 3 '1' if it is a pass
-- Result: 1, or 0 if the sample is not stored
-- Atomic because a verdict must not fall on an answer that replaces the one it was about.
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score then return 0 end
redis.call('HSET', KEYS[3], 'verdict:' .. ARGV[1], ARGV[2])
if ARGV[3] == '1' then redis.call('ZADD', KEYS[2], score, ARGV[1]) else redis.call('ZREM', KEYS[2], ARGV[1]) end
local life = redis.call('PTTL', KEYS[1])
for _, key in ipairs({ KEYS[2], KEYS[3] }) do
  if life > 0 and redis.call('PTTL', key) < life then redis.call('PEXPIRE', key, life) end
end
return 1
