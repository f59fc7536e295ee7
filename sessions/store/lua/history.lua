-- History: the store's clock, one session's state and its latest commits, as of one moment. Changes nothing.
-- KEYS: 1 state (string), 2 recent commits (list, newest first)
-- ARGV: none
-- Result: {seconds, microseconds, state or false, {commit, …}}
local now = redis.call('TIME')
return {now[1], now[2], redis.call('GET', KEYS[1]), redis.call('LRANGE', KEYS[2], 0, -1)}
