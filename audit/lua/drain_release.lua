-- Drain release: give a shard back, if this drain still holds it.
-- KEYS: 1 lease (string)
-- ARGV: 1 name of the drain
-- Result: 1 when it was given back, else 0
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
