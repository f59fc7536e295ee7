-- Restore deadline: give a session that was set aside its deadline back, if it still exists.
-- KEYS: 1 state (string), 2 deadlines (sorted set), 3 deadlines set aside (sorted set), 4 the reasons (hash)
-- ARGV: 1 session id, 2 '1' to give nothing back, 3 channel of the timekeepers of this shard
-- Result: 1 when it was set aside, else 0
local deadline = redis.call('ZSCORE', KEYS[3], ARGV[1])
if not deadline then
  return 0
end
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
if ARGV[2] ~= '1' and redis.call('EXISTS', KEYS[1]) == 1 and not redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  redis.call('ZADD', KEYS[2], deadline, ARGV[1])
  redis.call('PUBLISH', ARGV[3], deadline)
end
return 1
