-- Seen: reports that a process (timekeeper, web process) is alive or stops, and lists the living ones of its kind.
-- KEYS: 1 processes by the time of their last report (sorted set)
-- ARGV: 1 this process ('' to list only), 2 age of the oldest reports to list, ms (60 s at most), 3 '1' when it stops
-- Result: {process, ms since its last report, …}
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
if ARGV[3] == '1' then
  redis.call('ZREM', KEYS[1], ARGV[1])
elseif ARGV[1] ~= '' then
  redis.call('ZADD', KEYS[1], now_ms, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms - 60000)
  -- Reports from the future were made before the clock was set back.
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. now_ms, '+inf')
end
local alive = redis.call('ZRANGEBYSCORE', KEYS[1], now_ms - ARGV[2], now_ms, 'WITHSCORES')
for i = 2, #alive, 2 do
  alive[i] = now_ms - alive[i]
end
return alive
