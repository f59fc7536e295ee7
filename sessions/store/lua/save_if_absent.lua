-- First: keep what is said first under a key; whoever says something there later hears that.
-- KEYS: 1 idempotency record
-- ARGV: 1 the record, 2 how long it is kept, ms
-- Result: the record that was there, or false and this one is kept
local kept = redis.call('GET', KEYS[1])
if kept then
    return kept
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
