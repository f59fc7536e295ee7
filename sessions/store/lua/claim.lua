-- Claim: a place among what an owner has, by the rule that stands before this: on a Cluster, where the owner's keys and a
-- session's live in different places.
-- KEYS: what the owner has (sorted sets)
-- ARGV: 1 member, then how many each set may hold
-- Result: 0 when it has a place in each now, else the number of the first set that is full
local now = redis.call('TIME')
return claim(KEYS, {unpack(ARGV, 2)}, ARGV[1], now[1] * 1000 + math.floor(now[2] / 1000))
