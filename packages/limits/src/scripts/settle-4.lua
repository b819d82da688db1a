-- Gives back what was reserved and counts what was used instead.
-- KEYS: 1 book of the key, 2 its leases, 3 book of the tenant, 4 its leases
-- ARGV: 1 the lease, as it was reserved, or '' for what was not reserved; 2 tokens used, 3 micro-USD used,
--       4 requests to count
-- Result: how many of the two counted it: a lease that has lapsed has been counted in full already
-- Atomic so that nobody finds what is neither held nor counted.
local now = clock()
local counted = 0
for who = 1, 2 do
  local key, leases = KEYS[who * 2 - 1], KEYS[who * 2]
  local book = open(key, leases, now)
  if ARGV[1] == '' or release(key, leases, book, ARGV[1]) then
    count(key, book, tonumber(ARGV[2]), tonumber(ARGV[3]), now)
    counted = counted + 1
  end
  if tonumber(ARGV[4]) ~= 0 then
    redis.call('HINCRBY', key, 'r' .. whole(math.floor(now / STEP)), ARGV[4])
  end
end
return counted
