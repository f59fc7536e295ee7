-- A secret that all processes share: the first one that is offered stays.
-- KEYS: 1 the secret (string)
-- ARGV: 1 what the caller would have it be
-- Result: what it is
-- Writes the key when there is none.
local secret = redis.call('GET', KEYS[1])
if secret then
  return secret
end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
