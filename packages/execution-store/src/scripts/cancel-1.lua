-- Cancels an execution that has not ended, and tells whoever runs it.
-- KEYS: 1 the record
-- ARGV: 1 tenant, 2 now in ms, 3 how long it is kept, in ms, 4 channel, 5 id
-- Result: 1 cancelled, 0 had ended, -1 not there or another tenant's
-- Atomic because a result that comes in between must not be overwritten.
local held = redis.call('HMGET', KEYS[1], 'tenant', 'state')
if held[1] ~= ARGV[1] then return -1 end
if held[2] ~= 'queued' and held[2] ~= 'running' then return 0 end
redis.call('HSET', KEYS[1], 'state', 'cancelled', 'endedAt', ARGV[2])
redis.call('HDEL', KEYS[1], 'order')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
