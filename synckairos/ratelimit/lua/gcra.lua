-- GCRA: one request against a limit, on the store's own clock, by the rule that stands before this.
-- KEYS: 1 theoretical arrival time (string)
-- ARGV: 1 interval between requests at the steady rate, microseconds; 2 burst, requests; then, unless it counts as one,
--       3 for how many the request counts; 4 anything, when it has been done and is only counted
-- Result: {microseconds to wait, 0 when it may pass; how many more may; microseconds until that changes for the better}
local now = redis.call('TIME')
local now_us = now[1] * 1000000 + now[2]
return {gcra(KEYS[1], now_us, tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3] or 1), ARGV[4])}
