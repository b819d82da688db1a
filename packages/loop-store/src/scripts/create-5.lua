-- Creates a loop in state queued, unless it is there: a repeated call changes nothing.
-- ARGV  6 tenant, 7 request (JSON), 8 id of the API key
-- Result: 1 created, 0 was there
-- Atomic because a loop must never be without its first event or outside the live set: the sweeper
-- finds by the live set what a dead gateway did not enqueue.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'tenant', ARGV[6], 'keyId', ARGV[8], 'request', ARGV[7], 'createdAt', ARGV[2])
redis.call('ZADD', KEYS[4], ARGV[2], ARGV[1])
redis.call('HINCRBY', KEYS[5], 'state:created', 1)
enter('queued', nil)
notify('queued')
return 1
