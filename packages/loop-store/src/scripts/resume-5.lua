-- Puts a paused loop back into the queue.
-- Result: 1 changed, 0 was not paused, -1 no such loop
-- Atomic because state is read and then changed: a loop cancelled meanwhile stays cancelled.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return -1 end
if state ~= 'paused' then return 0 end
-- The worker that paused it may send its commit again: that must not pause it again.
redis.call('HINCRBY', KEYS[1], 'fence', 1)
enter('queued', nil)
notify('queued')
return 1
