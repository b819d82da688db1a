-- Picks one of the samples in a sorted set by the time at which they expire.
-- KEYS: 1 sorted set of stored samples, or of those that passed
-- ARGV: 1 a number from 0 to 1 that decides which
-- Result: a sample index, or false if there is none
-- Atomic because the place of a sample is worth nothing once another has expired.
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local count = redis.call('ZCARD', KEYS[1])
if count == 0 then return false end
local rank = math.min(count - 1, math.floor(tonumber(ARGV[1]) * count))
return redis.call('ZRANGE', KEYS[1], rank, rank)[1]
