-- Redeem: what a one-time ticket lets do, and the ticket is spent. Of many who bring the same one, the first has it.
-- KEYS: 1 ticket (string)
-- ARGV: none
-- Result: what it lets do; false when it is unknown, spent or over
return redis.call('GETDEL', KEYS[1])
