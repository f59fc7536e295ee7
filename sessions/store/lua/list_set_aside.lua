-- List set aside: some of the sessions set aside, by deadline. Changes nothing.
-- KEYS: 1 deadlines set aside (sorted set), 2 the reasons (hash)
-- ARGV: 1 first rank, 2 last rank
-- Result: {{session id, deadline, reason or false}, …}
local members = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2], 'WITHSCORES')
local found = {}
for i = 1, #members, 2 do
  found[#found + 1] = {members[i], members[i + 1], redis.call('HGET', KEYS[2], members[i])}
end
return found
