-- What a key or tenant has used and holds.
-- KEYS: 1 its book, 2 its leases
-- Result: requests and tokens of the minute; tokens and micro-USD of the day, ever, and held;
--         generations and executions under way
-- Atomic because reading brings the book up to date.
local book = open(KEYS[1], KEYS[2], clock())
local reply = {}
for _, value in ipairs({
  (steps(book, 'r')), (steps(book, 't')), book.dt, book.dm, book.tt or 0, book.tm or 0,
  book.ht or 0, book.hm or 0, book.g or 0, book.x or 0,
}) do reply[#reply + 1] = whole(value) end
return reply
