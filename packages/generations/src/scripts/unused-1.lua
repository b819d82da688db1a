-- The lowest sample index that is not stored.
-- KEYS: 1 sorted set of stored samples by the time at which they expire
-- Result: a sample index
-- Atomic because it reads the set once for each index. Ends after as many steps as samples are stored.
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
local index = 0
while redis.call('ZSCORE', KEYS[1], string.format('%d', index)) do index = index + 1 end
return index
