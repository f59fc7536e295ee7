-- Due: the store's clock, the sessions whose deadline has come (longest overdue first), how many these are in all, and
-- when the earliest deadline is or was.
-- Changes nothing.
-- KEYS: 1 deadlines (sorted set)
-- ARGV: 1 most sessions to name
-- Result: {seconds, microseconds, {session id, deadline, session id, deadline, …}, earliest deadline or false, all overdue}
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms, 'WITHSCORES',
  'LIMIT', 0, ARGV[1])
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {now[1], now[2], due, first[2] or false, redis.call('ZCOUNT', KEYS[1], '-inf', now_ms)}
