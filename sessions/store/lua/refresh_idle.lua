-- Refresh idle: an idle session has a reader, so it is not abandoned for some time.
-- KEYS: 1 idle sessions (sorted set), 2 state (string), 3 recent commits (list), 4 deadlines (sorted set)
-- ARGV: 1 session id, 2 for how long it is not let go, ms, 3 for how much longer than that it is kept, ms, 4 what goes for
--       the first of these when it has a deadline
-- Result: 1; 0 when nothing was changed, because the session is none of these, has ended, or is not there
local now = redis.call('TIME')
local for_ms = redis.call('ZSCORE', KEYS[4], ARGV[1]) and ARGV[4] or ARGV[2]
local check_at = now[1] * 1000 + math.floor(now[2] / 1000) + for_ms
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not known then
  return 0
end
if tonumber(known) < check_at then
  redis.call('ZADD', KEYS[1], string.format('%.0f', check_at), ARGV[1])
end
local forget_at = string.format('%.0f', check_at + ARGV[3])
redis.call('PEXPIREAT', KEYS[2], forget_at, 'GT')
redis.call('PEXPIREAT', KEYS[3], forget_at, 'GT')
return 1
