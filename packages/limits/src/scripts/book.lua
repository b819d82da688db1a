-- What all scripts of this folder share; `book.ts` says the same in TypeScript, and tests hold the two
-- against each other. A book is a hash: `g`, `x` generations and executions under way; `ht`, `hm` tokens
-- and micro-USD held for them; `d` the day, `dt`, `dm` what it used; `tt`, `tm` what was ever used;
-- `r<step>`, `t<step>` requests and tokens of a step of the minute. Its leases are a sorted set of
-- `<id> <kind> <tokens> <micro-USD>` by the time, in ms, at which they lapse.
local STEP, WINDOW, DAY, SOON = 5000, 60000, 86400000, 1000

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function whole(number) return string.format('%.0f', number) end

-- Adds to fields of a book, with one write.
local function add(key, book, changes)
  local flat = {}
  for field, by in pairs(changes) do
    book[field] = (book[field] or 0) + by
    flat[#flat + 1] = field
    flat[#flat + 1] = whole(book[field])
  end
  redis.call('HSET', key, unpack(flat))
end

-- Counts what was used, at its time.
local function count(key, book, tokens, micros, now)
  if tokens == 0 and micros == 0 then return end
  local changes = { dt = tokens, tt = tokens, dm = micros, tm = micros }
  if tokens > 0 then changes['t' .. whole(math.floor(now / STEP))] = tokens end
  add(key, book, changes)
end

-- Takes one lease out of what is held, if it is still there.
local function release(key, leases, book, member)
  if redis.call('ZREM', leases, member) == 0 then return false end
  local kind, tokens, micros = string.match(member, '^%S+ (%a) (%d+) (%d+)$')
  tokens, micros = tonumber(tokens), tonumber(micros)
  add(key, book, { [kind] = -1, ht = -tokens, hm = -micros })
  return true, tokens, micros
end

-- Reads a book, brought up to date: steps and days that are over are gone, leases that lapsed count in full.
local function open(key, leases, now)
  local book, flat = {}, redis.call('HGETALL', key)
  local oldest = math.floor((now - WINDOW) / STEP)
  for index = 1, #flat, 2 do
    local field = flat[index]
    local step = string.match(field, '^[rt](%d+)$')
    if step and tonumber(step) < oldest then
      redis.call('HDEL', key, field)
    else
      book[field] = tonumber(flat[index + 1])
    end
  end
  local day = math.floor(now / DAY)
  if book.d ~= day then
    book.d, book.dt, book.dm = day, 0, 0
    redis.call('HSET', key, 'd', whole(day), 'dt', '0', 'dm', '0')
  end
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do
    local _, tokens, micros = release(key, leases, book, member)
    count(key, book, tokens, micros, now)
  end
  return book
end

-- The sum of the steps of one kind, and the steps in order.
local function steps(book, letter)
  local sum, list = 0, {}
  for field, value in pairs(book) do
    local step = string.match(field, '^' .. letter .. '(%d+)$')
    if step then
      sum = sum + value
      list[#list + 1] = { tonumber(step), value }
    end
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return sum, list
end
