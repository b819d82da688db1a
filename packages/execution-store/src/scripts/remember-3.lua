-- Stores a verdict and keeps the tenant's store within its bound.
-- KEYS: 1 the entry, 2 the note that such an execution ran into a limit once, 3 index of the tenant's
--       entries by age. All carry the tenant's hash tag.
-- ARGV: 1 the entry (JSON), 2 its life in ms, 3 now in ms, 4 its key, 5 entries that a tenant may have,
--       6 '1' if it is to be stored only when it comes for the second time,
--       7 what the names of entries begin with
-- Result: 1, or 0 if this was the first time
-- Atomic because entries and index must agree, or the bound would not hold.
if ARGV[6] == '1' and redis.call('SET', KEYS[2], '1', 'PX', ARGV[2], 'NX') then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[4])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', ARGV[3] - ARGV[2]))
local excess = redis.call('ZCARD', KEYS[3]) - ARGV[5]
if excess > 0 then
  for _, key in ipairs(redis.call('ZPOPMIN', KEYS[3], excess)) do
    -- ZPOPMIN gives scores too; no entry has such a name.
    redis.call('UNLINK', ARGV[7] .. key)
  end
end
return 1
