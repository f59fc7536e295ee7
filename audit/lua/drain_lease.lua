-- Drain lease: take the lease of a shard's drain, also on a full store: the outbox may be what fills it.
-- KEYS: 1 lease (string)
-- ARGV: 1 token of this drain, 2 length, ms
-- Result: 1 when the lease was free and is taken, else 0
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return 1
end
return 0
