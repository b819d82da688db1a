-- Answers who gives the answer of a key: Redis, the caller, or another replica.
-- KEYS: 1 the stored generation, 2 its flight {token, leader, until, stored}. Both carry the key's hash tag.
-- ARGV: 1 mode: `any` takes what is stored, `fresh` only a flight under way, `force` neither,
--         `peek` either, but never the lead; `heir` takes the place of a leader whose call has failed,
--         or what has become of whoever took it first; `orphan` that of an heir who is lost, but not
--         of one whose call has failed
--       2 address of the caller's replica, 3 lease in ms, 4 how long the flight is remembered, ms
--       5 a token whose leader was found dead, or whose call has failed, or ''
-- Result: {'hit', value} | {'lead', token} | {'follow', address, token} | {'none'}
--         | {'spent', token}: the failed leader has had its one heir, and that has failed too
-- Atomic because looking and taking the lead are one step: of any number of callers without an
-- answer one gets the lead, and everybody who comes later finds it.
if ARGV[1] == 'any' or ARGV[1] == 'peek' then
  local value = redis.call('GET', KEYS[1])
  if value then return { 'hit', value } end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local flight = redis.call('HMGET', KEYS[2], 'token', 'leader', 'until')
local token = flight[1]
if ARGV[1] ~= 'force' and token and token ~= ARGV[5] and tonumber(flight[3]) > now then
  return { 'follow', flight[2], token }
end
if ARGV[1] == 'peek' then return { 'none' } end
local inherits = ARGV[1] == 'heir' or ARGV[1] == 'orphan'
if token and (inherits or (ARGV[1] == 'fresh' and token == ARGV[5])) then
  -- What is stored counts if the last leader stored it, while the caller was on its way to join: an
  -- older answer is not what was asked for.
  local value = redis.call('HGET', KEYS[2], 'stored') == token and redis.call('GET', KEYS[1])
  if value then return { 'hit', value } end
  -- A lead that was given up has `until` 0.
  local failed = token ~= ARGV[5] or (ARGV[1] == 'orphan' and flight[3] == '0')
  if inherits and failed then return { 'spent', token } end
end
-- Tokens grow even if the flight was forgotten in between: they come from the clock.
local fresh = time[1] * 1000000 + time[2]
if token and tonumber(token) >= fresh then fresh = tonumber(token) + 1 end
fresh = string.format('%.0f', fresh)
redis.call('HSET', KEYS[2], 'token', fresh, 'leader', ARGV[2], 'until', string.format('%.0f', now + ARGV[3]))
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return { 'lead', fresh }
