-- Release lease: give a shard back, if this timekeeper still holds it.
-- KEYS: 1 lease (string)
-- ARGV: 1 this timekeeper, 2 channel of the timekeepers of this shard
-- Result: 1 when it was given back, else 0
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', ARGV[2], 'released')
  return 1
end
return 0
