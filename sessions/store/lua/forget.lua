-- Forget: drop a deadline whose session is gone, or set it aside when the session cannot be read.
-- KEYS: 1 state (string), 2 deadlines (sorted set), 3 deadlines set aside (sorted set)
-- ARGV: 1 session id, 2 '1' to set aside a session that exists
-- Result: 1 when the deadline was taken away, 0 when the session exists and stays
local exists = redis.call('EXISTS', KEYS[1]) == 1
if exists and ARGV[2] ~= '1' then
  return 0
end
if exists then
  redis.call('ZADD', KEYS[3], redis.call('ZSCORE', KEYS[2], ARGV[1]) or 0, ARGV[1])
end
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
