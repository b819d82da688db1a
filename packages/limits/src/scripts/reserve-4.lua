-- Reserves for a key and its tenant, both or neither.
-- KEYS: 1 book of the key, 2 its leases, 3 book of the tenant, 4 its leases. All carry the tenant's hash tag.
-- ARGV: 1 lease `<id> <kind> <tokens> <micro-USD>`, 2 how long it lasts, ms;
--       3-9 limits of the key, 10-16 of the tenant: requests and tokens a minute, under way at once of
--       this kind, tokens and micro-USD a day, and ever; '' for none
-- Result: {1, used today and ever of the key (tokens, micro-USD each), the same of the tenant}
--         | {0, 1 for the key or 2 for the tenant, number of the limit, ms until it frees or -1 for never}
-- Atomic because of fifty callers at once each would else find room for itself, and because a call
-- that one limit refuses must not use up another.
local now = clock()
local kind, tokens, micros = string.match(ARGV[1], '^%S+ (%a) (%d+) (%d+)$')
tokens, micros = tonumber(tokens), tonumber(micros)
local books = { open(KEYS[1], KEYS[2], now), open(KEYS[3], KEYS[4], now) }

local function frees_in(book, letter, over)
  local sum, list = steps(book, letter)
  over = over + sum
  for _, step in ipairs(list) do
    over = over - step[2]
    if over <= 0 then return (step[1] + 1) * STEP + WINDOW - now end
  end
  return SOON
end

for who, book in ipairs(books) do
  local held, heldMicros = book.ht or 0, book.hm or 0
  local midnight = (math.floor(now / DAY) + 1) * DAY - now
  local checks = {
    { (steps(book, 'r')), 1 },
    { (steps(book, 't')) + held, tokens },
    { book[kind] or 0, 1 },
    { book.dt + held, tokens },
    { book.dm + heldMicros, micros },
    { (book.tt or 0) + held, tokens },
    { (book.tm or 0) + heldMicros, micros },
  }
  for number, check in ipairs(checks) do
    local most = tonumber(ARGV[2 + (who - 1) * 7 + number])
    if most and check[2] > 0 and check[1] + check[2] > most then
      local frees = -1
      if check[2] <= most then
        if number == 1 then frees = frees_in(book, 'r', 1 - most)
        elseif number == 2 then frees = frees_in(book, 't', tokens + held - most)
        elseif number == 3 then frees = SOON
        elseif number <= 5 then frees = midnight end
      end
      return { 0, who, number, frees }
    end
  end
end

local reply = { 1 }
for who, book in ipairs(books) do
  local key, leases = KEYS[who * 2 - 1], KEYS[who * 2]
  redis.call('ZADD', leases, now + tonumber(ARGV[2]), ARGV[1])
  add(key, book, { ['r' .. whole(math.floor(now / STEP))] = 1, [kind] = 1, ht = tokens, hm = micros })
  for _, field in ipairs({ 'dt', 'dm', 'tt', 'tm' }) do reply[#reply + 1] = whole(book[field] or 0) end
end
return reply
