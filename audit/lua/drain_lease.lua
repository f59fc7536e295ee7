-- Drain lease: take or keep a shard for one drain, also on a full store: the outbox may be what fills it.
-- KEYS: 1 lease (string)
-- ARGV: 1 name of the drain, 2 length of the lease, ms
-- Result: 1 when the drain holds the shard now, else 0
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
