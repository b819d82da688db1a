-- Prolongs the lease of a leader.
-- KEYS: 1 the flight {token, leader, until}
-- ARGV: 1 the leader's token, 2 lease in ms, 3 how long the flight is remembered, ms
-- Result: 1, or 0 if another has the lead by now
-- Atomic because a lease that passed to another between check and write would be taken back.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
