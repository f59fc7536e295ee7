-- Remove deadline: drop a deadline whose session is deleted, or set it aside when the session cannot be read.
-- KEYS: 1 state (string), 2 deadlines (sorted set), 3 deadlines set aside (sorted set), 4 the reasons (hash)
-- ARGV: 1 session id, 2 '1' to set aside a session that exists, 3 the reason
-- Result: 1 when the deadline was taken away, 0 when the session exists and stays
local exists = redis.call('EXISTS', KEYS[1]) == 1
if exists and ARGV[2] ~= '1' then
  return 0
end
if exists then
  redis.call('ZADD', KEYS[3], redis.call('ZSCORE', KEYS[2], ARGV[1]) or 0, ARGV[1])
  redis.call('HSET', KEYS[4], ARGV[1], ARGV[3])
end
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
