-- Looks an execution up that is to be run: for the first time, or again after the gateway that had it died.
-- KEYS: 1 the record
-- Result: {tenant, what is to be run, createdAt}, or nothing if it has ended or is not there
-- One step, so that the order is that of the state.
local held = redis.call('HMGET', KEYS[1], 'state', 'tenant', 'order', 'createdAt')
if held[1] ~= 'queued' and held[1] ~= 'running' then return {} end
return { held[2], held[3], held[4] }
