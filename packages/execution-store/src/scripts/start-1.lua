-- Notes that a runner has begun an execution.
-- KEYS: 1 the record
-- ARGV: 1 now in ms
-- Result: 1, or 0 if it has ended or is not there
-- Atomic because an execution that was cancelled meanwhile must not come back to life.
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'queued' and state ~= 'running' then return 0 end
redis.call('HSET', KEYS[1], 'state', 'running', 'startedAt', ARGV[1])
return 1
