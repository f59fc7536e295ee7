-- Read presence: the clients that each web process has reported, for many sessions of one shard. Changes nothing.
-- KEYS: presences (hashes)
-- ARGV: none
-- Result: {{process, what it has, …}, …} in the order of KEYS
local presences = {}
for i, key in ipairs(KEYS) do
  presences[i] = redis.call('HGETALL', key)
end
return presences
