-- Changes one record of the key ring and writes down who did it.
-- KEYS: 1 the hash that holds the record, 2 version of the ring, 3 audit stream
-- ARGV: 1 field, 2 the record as the caller read it or '' for none, 3 the new one or '' to delete it,
--       4 audit entry, JSON, 5 `first` if the hash has to be empty so far
-- Result: 1, or 0 if the record is no longer what the caller read, or not the first
-- Atomic because two changes at once must not undo one another, and none may go unrecorded. The version is
-- the id of the last entry, so that replicas find in the audit what they have not seen yet.
if ARGV[5] == 'first' and redis.call('HLEN', KEYS[1]) > 0 then return 0 end
local before = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if before ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
redis.call('SET', KEYS[2], redis.call('XADD', KEYS[3], '*', 'entry', ARGV[4]))
return 1
