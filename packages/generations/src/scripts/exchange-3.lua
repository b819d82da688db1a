-- The exchange of one replica with the buckets of one organisation and model: it tells what it has
-- used, and gets what it may spend until the next time.
-- KEYS: 1 the buckets {at, epoch, pause, turn, turnUntil, turn1..3, c<i>, l<i>}, 2 sorted set of replicas
--         by the time at which their lease lapses, 3 hash of what each holds, `<replica>:<currency>`
-- ARGV: 1 replica, 2 lease in ms, 3 epoch of its corrections, 4 ms of pause to begin or 0,
--       5-7 used since the last exchange, 8-10 in flight, 11-13 what it keeps of what it was given,
--       14-16 what it wants, 17-19 the least that it can begin with or 0; by currency, each counted
--         from 1: requests, tokens, all tokens
--       20 part of a bucket of tokens that is not given out,
--       21... of each window: currency, ms, limit or '', 1 if that limit replaces the one there is,
--         level where there is none, correction of the level or 0
-- Result: {given 1..3, replicas, epoch, ms of pause left, free 1..3, then of each window: limit or '', level}
-- Atomic because what is free is what all hold taken from what is there: two replicas that looked first
-- and took then would both be given the same.
local me, epoch = ARGV[1], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number) return string.format('%.3f', number) end
local function amounts(first) return { tonumber(ARGV[first]), tonumber(ARGV[first + 1]), tonumber(ARGV[first + 2]) } end
local used, flying, keep, want, least = amounts(5), amounts(8), amounts(11), amounts(14), amounts(17)
local floor = tonumber(ARGV[20])

-- Whoever has gone silent may have spent all that it held.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do
  for c = 1, 3 do
    local held = redis.call('HGET', KEYS[3], id .. ':' .. c)
    if held and id ~= me then used[c] = used[c] + tonumber(held) end
    redis.call('HDEL', KEYS[3], id .. ':' .. c)
  end
  redis.call('ZREM', KEYS[2], id)
end
local others, replicas = { 0, 0, 0 }, 1
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  if id ~= me then
    replicas = replicas + 1
    for c = 1, 3 do others[c] = others[c] + tonumber(redis.call('HGET', KEYS[3], id .. ':' .. c) or 0) end
  end
end

local function state(field) return redis.call('HGET', KEYS[1], field) end
local past = now - tonumber(state('at') or now)
local shared = tonumber(state('epoch') or 0)
-- A correction counts once: whoever was sent before the last one saw what that has corrected.
local corrects, corrected = epoch == shared, false
local free, windows = { 1e15, 1e15, 1e15 }, {}
for first = 21, #ARGV, 6 do
  local i = #windows / 2 + 1
  local c, ms, told, level = tonumber(ARGV[first]), tonumber(ARGV[first + 1]), tonumber(ARGV[first + 2]), nil
  local limit = tonumber(state('c' .. i) or '')
  if limit then
    level = math.min(limit, tonumber(state('l' .. i)) + past * limit / ms) - used[c]
    if corrects and tonumber(ARGV[first + 5]) ~= 0 then
      level, corrected = level + tonumber(ARGV[first + 5]), true
    end
    if told and ARGV[first + 3] == '1' and told ~= limit then level, limit = level + told - limit, told end
  elseif told then
    limit, level = told, tonumber(ARGV[first + 4])
  end
  if limit then
    level = math.max(-limit, math.min(limit, level))
    redis.call('HSET', KEYS[1], 'c' .. i, text(limit), 'l' .. i, text(level))
    free[c] = math.min(free[c], level - (c > 1 and limit * floor or 0))
  end
  windows[#windows + 1] = limit and text(limit) or ''
  windows[#windows + 1] = text(level or 0)
end
if corrected then shared = shared + 1 end
local pause = math.max(tonumber(state('pause') or 0), now + tonumber(ARGV[4]))

-- Where nothing is known there is nothing to keep: anybody can invent a model.
local known = false
for w = 1, #windows, 2 do known = known or windows[w] ~= '' end
if not known and pause <= now then
  local none = { '0', '0', '0', replicas, shared, 0, '1e15', '1e15', '1e15' }
  for _, value in ipairs(windows) do none[#none + 1] = value end
  return none
end

-- A request that does not fit has its turn: nobody else is given what it lacks until it has it, else
-- smaller ones of other replicas would always be before it.
local turn, turnUntil = state('turn') or '', tonumber(state('turnUntil') or 0)
local fits = true
for c = 1, 3 do
  free[c] = free[c] - others[c] - flying[c]
  if turn ~= '' and turn ~= me and turnUntil > now then free[c] = free[c] - tonumber(state('turn' .. c) or 0) end
  if math.max(least[c], keep[c]) > free[c] then fits = false end
end
local wanting = least[1] > 0
local given = {}
for c = 1, 3 do
  given[c] = keep[c]
  if fits then given[c] = math.max(keep[c], math.min(want[c], math.max(least[c], free[c] / replicas))) end
end
if turn == me or turnUntil <= now then
  if wanting and not fits then
    redis.call('HSET', KEYS[1], 'turn', me, 'turnUntil', now + 1000, 'turn1', least[1], 'turn2', least[2], 'turn3', least[3])
  elseif turn ~= '' then
    redis.call('HDEL', KEYS[1], 'turn', 'turnUntil')
  end
end

redis.call('HSET', KEYS[1], 'at', now, 'epoch', shared, 'pause', pause)
local holds = false
for c = 1, 3 do
  if flying[c] + given[c] > 0 then holds = true end
  redis.call('HSET', KEYS[3], me .. ':' .. c, text(flying[c] + given[c]))
end
if holds or wanting then
  redis.call('ZADD', KEYS[2], now + tonumber(ARGV[2]), me)
else
  redis.call('ZREM', KEYS[2], me)
  redis.call('HDEL', KEYS[3], me .. ':1', me .. ':2', me .. ':3')
end
-- The longest window is a day; what nobody has asked for so long is full again.
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], 90000000) end
local reply = { text(given[1]), text(given[2]), text(given[3]), replicas, shared, math.max(0, pause - now),
  text(free[1]), text(free[2]), text(free[3]) }
for _, value in ipairs(windows) do reply[#reply + 1] = value end
return reply
