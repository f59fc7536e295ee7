-- Seen: tell that a process (a timekeeper, a web process) is alive or leaves, and name those of its kind.
-- KEYS: 1 processes by when they were last seen (sorted set)
-- ARGV: 1 this process ('' to ask only), 2 how long ago one may have been seen to be named, ms (60 s at most), 3 '1' to leave
-- Result: {process, ms since it was seen, …}
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
if ARGV[3] == '1' then
  redis.call('ZREM', KEYS[1], ARGV[1])
elseif ARGV[1] ~= '' then
  redis.call('ZADD', KEYS[1], now_ms, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms - 60000)
  -- Whoever was seen in the future was seen before the clock was set back.
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. now_ms, '+inf')
end
local alive = redis.call('ZRANGEBYSCORE', KEYS[1], now_ms - ARGV[2], now_ms, 'WITHSCORES')
for i = 2, #alive, 2 do
  alive[i] = now_ms - alive[i]
end
return alive
