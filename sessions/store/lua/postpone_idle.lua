-- Postpone idle: check later whether a session is abandoned, unless a later instant is noted already.
-- KEYS: 1 idle sessions (sorted set)
-- ARGV: 1 session id, 2 when, ms
-- Result: 1
redis.call('ZADD', KEYS[1], 'XX', 'GT', ARGV[2], ARGV[1])
return 1
