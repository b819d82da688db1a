-- Appends judged iterations and, at the end, a transition.
-- ARGV  6 fence
--       7 state to enter, '' for none   8 reason   9 accepted candidate (JSON), '' for none
--      10 last iteration of the wave   11 number of the first iteration
--      12 number of iterations, then 9 values for each:
--         record (JSON), verdict, candidate SHA-256, judgement (JSON) or '' if the candidate is not new,
--         1 for a duplicate, total tokens, prompt tokens, cache outcome, 1 if it was executed
-- Result: {'ok' | 'stale' | 'ended' | 'gap', state}
-- Atomic because records, events, counts and the terminal state must agree whoever reads and
-- whenever the worker dies. Idempotent: iterations already committed under this fence are skipped,
-- so that a commit whose reply was lost may be sent again.
local held = redis.call('HMGET', KEYS[1], 'state', 'fence', 'committed', 'waveEnd')
local state, committed = held[1], tonumber(held[3] or 0)
if not state then return { 'ended', '' } end
if held[2] ~= ARGV[6] then return { 'stale', state } end
local target, first, count = ARGV[7], tonumber(ARGV[11]), tonumber(ARGV[12])
if TERMINAL[state] or state == 'paused' then
  local repeated = state == target or (state == 'cancelled' and target == 'paused')
  return { repeated and 'ok' or 'ended', state }
end
if count > 0 and first > committed + 1 then return { 'gap', state } end

local added = { tokens = 0, duplicates = 0, executions = 0, hit = 0, miss = 0, coalesced = 0, bypass = 0 }
local verdicts = { pass = 0, fail = 0, error = 0 }
local fresh = 0
for n = 0, count - 1 do
  if first + n > committed then
    local at = 13 + n * 9
    append('{"type":"iteration","record":' .. ARGV[at] .. '}')
    verdicts[ARGV[at + 1]] = verdicts[ARGV[at + 1]] + 1
    if ARGV[at + 3] ~= '' then
      redis.call('HSETNX', KEYS[3], ARGV[at + 2], ARGV[at + 3])
    end
    added.executions = added.executions + tonumber(ARGV[at + 8])
    added.duplicates = added.duplicates + tonumber(ARGV[at + 4])
    added.tokens = added.tokens + tonumber(ARGV[at + 5])
    redis.call('HSET', KEYS[1], 'promptTokens', ARGV[at + 6])
    added[ARGV[at + 7]] = added[ARGV[at + 7]] + 1
    fresh = fresh + 1
  end
end
if fresh > 0 then
  redis.call('HSET', KEYS[1], 'committed', committed + fresh, 'barren', 0)
  if held[4] ~= ARGV[10] then
    redis.call('HSET', KEYS[1], 'waveEnd', ARGV[10])
    redis.call('HINCRBY', KEYS[1], 'waves', 1)
  end
  for name, value in pairs(added) do
    if value > 0 then
      redis.call('HINCRBY', KEYS[1], name, value)
      redis.call('HINCRBY', KEYS[5], name, value)
    end
  end
  for verdict, value in pairs(verdicts) do
    if value > 0 then redis.call('HINCRBY', KEYS[5], 'verdict:' .. verdict, value) end
  end
end

if target ~= '' then
  -- A cancelled loop never comes back, not even as paused.
  if state == 'stopping' and target == 'paused' then target = 'cancelled' end
  if ARGV[9] ~= '' then
    redis.call('HSET', KEYS[1], 'accepted', ARGV[9])
    append('{"type":"accepted","accepted":' .. ARGV[9] .. '}')
  end
  state = target
  enter(state, ARGV[8])
end
if fresh > 0 or target ~= '' then notify(state) end
return { 'ok', state }
