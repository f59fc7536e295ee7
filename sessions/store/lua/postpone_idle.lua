-- Postpone: see later whether to let a session go, unless somebody has put that off for longer meanwhile.
-- KEYS: 1 idle sessions (sorted set)
-- ARGV: 1 session id, 2 when, ms
-- Result: 1
redis.call('ZADD', KEYS[1], 'XX', 'GT', ARGV[2], ARGV[1])
return 1
