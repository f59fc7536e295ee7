-- Write presence: report the clients of a session in one web process, or that it has none.
-- KEYS: 1 presence (hash: process -> what it has)
-- ARGV: 1 process, 2 what it has ('' for nothing), 3 time to live of the hash, ms
--       4 channel of the group, 5 message for it ('' to stay silent; nobody hears of nothing taken away)
-- Result: 1
local is_change = true
if ARGV[2] == '' then
  is_change = redis.call('HDEL', KEYS[1], ARGV[1]) == 1
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
if is_change and ARGV[5] ~= '' then
  redis.call('PUBLISH', ARGV[4], ARGV[5])
end
return 1
