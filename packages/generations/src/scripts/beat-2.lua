-- The heartbeat of a replica: enters it, drops those that have gone silent, and lists the rest.
-- KEYS: 1 sorted set of replica ids by the time at which they lapse, 2 hash of their addresses
-- ARGV: 1 id, 2 address, 3 life of the entry in ms; 0 takes the replica out
-- Result: {id, address, id, address, ...} of all that live
-- Atomic because set and hash must name the same replicas whenever another looks.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local life = tonumber(ARGV[3])
if life > 0 then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + life), ARGV[1])
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
else
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end
return redis.call('HGETALL', KEYS[2])
