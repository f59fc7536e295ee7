-- Load: the store's clock and some values of one shard, in one round trip. Changes nothing.
-- KEYS: strings to read (state, idempotency record, …), all of one shard
-- ARGV: none
-- Result: {seconds, microseconds, value or false, …}
local now = redis.call('TIME')
return {now[1], now[2], unpack(redis.call('MGET', unpack(KEYS)))}
