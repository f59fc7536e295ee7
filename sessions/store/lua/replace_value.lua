-- Replace value: another value in the place of one that is known, for as long as that one would have lived.
-- KEYS: 1 the value (string), then those that go with it when it is changed
-- ARGV: 1 the value as it is known, 2 the new one; '' to delete it
-- Result: 1, or 0 when the value is another one by now, and nothing was changed
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
end
for i = 2, #KEYS do
  redis.call('DEL', KEYS[i])
end
return 1
