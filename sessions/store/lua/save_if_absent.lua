-- Save if absent: keep the first value of a key; later calls get that value.
-- KEYS: 1 idempotency record
-- ARGV: 1 the record, 2 how long it is kept, ms
-- Result: the record that was there, or false and this one is kept
local kept = redis.call('GET', KEYS[1])
if kept then
    return kept
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
