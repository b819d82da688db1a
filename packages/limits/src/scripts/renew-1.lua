-- Renews leases that have not lapsed.
-- KEYS: 1 leases of a key or tenant
-- ARGV: 1 how long they last from now, ms; then the leases
-- Result: how many were still there
-- Atomic because a lease that has lapsed, and is about to be counted, must not come back.
local now = clock()
local renewed = 0
for index = 2, #ARGV do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[index])
  if score and tonumber(score) > now then
    redis.call('ZADD', KEYS[1], now + tonumber(ARGV[1]), ARGV[index])
    renewed = renewed + 1
  end
end
return renewed
