-- Replace a record that is still there; it stays as long as before.
-- KEYS: 1 idempotency record
-- ARGV: 1 the record
redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL', 'XX')
return true
