-- Enters a sample that has been stored into the record of its request.
-- KEYS: 1 sorted set of stored samples by the time at which they expire, 2 the same of those that
--       passed, 3 hash of verdicts and of the counter of new samples. All carry the family's hash tag.
-- ARGV: 1 sample index, 2 life of the entry in ms
-- Result: 1
-- Atomic because a new answer must never be seen with the verdict on the one before it.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local past = string.format('%.0f', now)
local score = string.format('%.0f', now + ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', past)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', past)
redis.call('ZADD', KEYS[1], score, ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], 'verdict:' .. ARGV[1])
for _, key in ipairs(KEYS) do
  if redis.call('PTTL', key) < tonumber(ARGV[2]) then redis.call('PEXPIRE', key, ARGV[2]) end
end
return 1
