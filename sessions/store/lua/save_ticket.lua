-- Save ticket: keep a one-time ticket until it expires.
-- KEYS: 1 ticket (string; its name holds a digest of the ticket only)
-- ARGV: 1 what it lets do, 2 how long it is good, ms
-- Result: {seconds, microseconds} of the store's clock
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return redis.call('TIME')
