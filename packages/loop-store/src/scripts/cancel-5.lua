-- Ends a loop that no worker holds (queued, paused); asks the worker of a running one to end it.
-- ARGV  6 reason
-- Result: 1 changed, 0 was stopping or ended, -1 no such loop
-- Atomic because state is read and then changed: a loop that is acquired meanwhile is stopped instead.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return -1 end
if TERMINAL[state] or state == 'stopping' then return 0 end
local target = state == 'running' and 'stopping' or 'cancelled'
enter(target, ARGV[6])
notify(target)
return 1
