-- Update members: remove the ended members of an owner, and note the instant of this check for the others.
-- KEYS: what the owner has (sorted sets: member -> when it was claimed or last seen to live, ms)
-- ARGV: member, '1' when it lives, else '0', and so on
-- Result: how many places there are again in the first set
local now = redis.call('TIME')
local now_ms, freed = now[1] * 1000 + math.floor(now[2] / 1000), 0
for i, set in ipairs(KEYS) do
  for j = 1, #ARGV, 2 do
    if ARGV[j + 1] == '1' then
      redis.call('ZADD', set, 'XX', now_ms, ARGV[j])
    else
      local gone = redis.call('ZREM', set, ARGV[j])
      freed = freed + (i == 1 and gone or 0)
    end
  end
end
return freed
