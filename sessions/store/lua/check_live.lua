-- Check live: which sessions of one shard have not ended. Changes nothing.
-- KEYS: states (strings)
-- ARGV: 1 one that has ended is kept for so long at most, ms; then for each state the epoch that it has to be of
-- Result: {1 or 0, …} in the order of KEYS
local live = {}
for i, key in ipairs(KEYS) do
  local epoch = ARGV[i + 1]
  local is_there = redis.call('GETRANGE', key, 0, #epoch - 1) == epoch
  live[i] = is_there and redis.call('PTTL', key) > tonumber(ARGV[1]) and 1 or 0
end
return live
