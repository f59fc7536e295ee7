-- Roll: what each web process has told of its clients, for many sessions of one shard. Changes nothing.
-- KEYS: presences (hashes)
-- ARGV: none
-- Result: {{process, what it has, …}, …} in the order of KEYS
local rolls = {}
for i, key in ipairs(KEYS) do
  rolls[i] = redis.call('HGETALL', key)
end
return rolls
