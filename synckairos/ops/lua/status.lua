-- Status: counts one shard's deadlines. Changes nothing.
-- KEYS: 1 lease (string), 2 deadlines (sorted set), 3 deadlines set aside (sorted set)
-- ARGV: none
-- Result: {holder or false, sessions with a deadline, overdue ones, set aside ones, ms the oldest is overdue (0 for none)}
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
return {
  redis.call('GET', KEYS[1]),
  redis.call('ZCARD', KEYS[2]),
  redis.call('ZCOUNT', KEYS[2], '-inf', now_ms),
  redis.call('ZCARD', KEYS[3]),
  math.max(0, now_ms - (first[2] or now_ms))
}
