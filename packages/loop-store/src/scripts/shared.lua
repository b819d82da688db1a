-- Prepended to every script of this folder.
--
-- KEYS (of every script; one slot, see keys.ts)
--   1  loop    hash: fields of the loop and its counts
--   2  events  list of JSON texts; the n-th has "seq": n, so numbers are dense by construction
--   3  seen    hash: candidate SHA-256 -> judgement; deleted when the loop ends
--   4  live    set, scored by creation: loops of this shard that have not ended
--   5  stats   hash: totals of this shard
-- ARGV (of every script)
--   1  id of the loop
--   2  now, milliseconds since the epoch
--   3  now, RFC 3339
--   4  channel for notifications
--   5  seconds that an ended loop is kept

local TERMINAL = { accepted = true, exhausted = true, stalled = true, failed = true, cancelled = true }

local function append(body)
  local seq = redis.call('RPUSH', KEYS[2], '') -- reserves the number
  redis.call('LSET', KEYS[2], -1, '{"seq":' .. seq .. ',"at":"' .. ARGV[3] .. '","event":' .. body .. '}')
  return seq
end

-- Closes every script that wrote: events are in place before anyone is told of them.
local function notify(state)
  local seq = redis.call('LLEN', KEYS[2])
  redis.call('HSET', KEYS[1], 'updatedAt', ARGV[2], 'lastSeq', seq)
  redis.call('PUBLISH', ARGV[4], seq .. ' ' .. state)
end

local function enter(state, reason)
  redis.call('HSET', KEYS[1], 'state', state)
  if reason then redis.call('HSET', KEYS[1], 'reason', reason) else redis.call('HDEL', KEYS[1], 'reason') end
  append('{"type":"state","state":"' .. state .. '","reason":' .. (reason and cjson.encode(reason) or 'null') .. '}')
  redis.call('HINCRBY', KEYS[5], 'state:' .. state, 1)
  if TERMINAL[state] then
    redis.call('ZREM', KEYS[4], ARGV[1])
    redis.call('DEL', KEYS[3])
    redis.call('EXPIRE', KEYS[1], ARGV[5])
    redis.call('EXPIRE', KEYS[2], ARGV[5])
  end
end
