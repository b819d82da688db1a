-- Ends a lead without an answer: the next claim leads.
-- KEYS: 1 the flight {token, leader, until}
-- ARGV: 1 the leader's token, 2 how long the token is remembered to refuse older ones, ms
-- Result: 1, or 0 if another has the lead by now
-- Atomic because a successor's lease must not be ended by its predecessor.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'until', '0')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
