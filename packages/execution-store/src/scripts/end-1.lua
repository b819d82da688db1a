-- Ends an execution, once: whoever comes second, after its lock had lapsed, is refused.
-- KEYS: 1 the record
-- ARGV: 1 state, 2 result (JSON) or '', 3 error (JSON) or '', 4 now in ms, 5 how long it is kept, in ms
-- Result: 1, or 0 if it had ended or is not there
-- Atomic because two gateways may hold the same execution, and a caller may cancel it meanwhile.
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'queued' and state ~= 'running' then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[1], 'endedAt', ARGV[4])
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'result', ARGV[2]) end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'error', ARGV[3]) end
redis.call('HDEL', KEYS[1], 'order')
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
