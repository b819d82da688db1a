-- Stores the answer of a leader and ends its lead.
-- KEYS: 1 the stored generation, 2 its flight {token, leader, until, stored}
-- ARGV: 1 the leader's token, '' for one that led while Redis was away
--       2 the value, 3 its life in ms, 4 how long the token is remembered to refuse older ones, ms
-- Result: 1, or 0 if it was refused
-- Atomic because the check of the token is worth nothing if another may take the lead before the
-- write. Repeatable: the same leader may send it again when it does not know whether it arrived.
local flight = redis.call('HMGET', KEYS[2], 'token', 'until')
if flight[1] and flight[1] ~= ARGV[1] then
  if ARGV[1] ~= '' then return 0 end
  local time = redis.call('TIME')
  if tonumber(flight[2]) > time[1] * 1000 + math.floor(time[2] / 1000) then return 0 end
end
if not flight[1] and ARGV[1] ~= '' then
  -- Forgotten, by time or by eviction: nobody newer is known, but what is there may be newer.
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3], 'NX')
  return 1
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if flight[1] == ARGV[1] then
  redis.call('HSET', KEYS[2], 'until', '0', 'stored', ARGV[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
return 1
