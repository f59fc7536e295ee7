-- Oldest members: the members of an owner that were claimed or checked the longest ago. Changes nothing.
-- KEYS: 1 what the owner has (sorted set: member -> when it was claimed or last seen to live, ms)
-- ARGV: 1 for how long at least, ms; 2 most members to name
-- Result: {member, …}
local now = redis.call('TIME')
local before_ms = now[1] * 1000 + math.floor(now[2] / 1000) - ARGV[1]
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', before_ms, 'LIMIT', 0, ARGV[2])
