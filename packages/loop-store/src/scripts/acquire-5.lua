-- Gives the loop to a worker: raises the fence, and a queued loop starts to run.
-- Result: {state, fence, barren, fields of the loop}; fence 0 if there is nothing to run:
--   ended or paused (state), or no such loop (state '')
-- Atomic because fence and state belong together: after it no commit of an earlier holder is
-- accepted, and a loop cancelled in between is not started.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return { '', 0, 0, {} } end
if TERMINAL[state] or state == 'paused' then return { state, 0, 0, {} } end
local fence = redis.call('HINCRBY', KEYS[1], 'fence', 1)
local barren = redis.call('HINCRBY', KEYS[1], 'barren', 1)
if state == 'queued' then
  state = 'running'
  redis.call('HSETNX', KEYS[1], 'startedAt', ARGV[2])
  enter(state, nil)
  notify(state)
end
return { state, fence, barren, redis.call('HGETALL', KEYS[1]) }
