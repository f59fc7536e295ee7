-- Redeem ticket: read and delete a one-time ticket. Only the first of several calls gets it.
-- KEYS: 1 ticket (string)
-- ARGV: none
-- Result: what it lets do; false when it is unknown, spent or over
return redis.call('GETDEL', KEYS[1])
