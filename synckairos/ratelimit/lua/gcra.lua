-- GCRA: counts one request against a limit, on the store's own clock, with the library gcra_rule.lua.
-- KEYS: 1 theoretical arrival time (string)
-- ARGV: 1 interval between requests at the steady rate, microseconds; 2 burst, requests; then, unless it counts as one,
--       3 number of requests it counts as; 4 anything, to count without refusing
-- Result: {microseconds to wait, 0 when it may pass; how many more may pass; microseconds until more may}
local now = redis.call('TIME')
local now_us = now[1] * 1000000 + now[2]
return {gcra(KEYS[1], now_us, tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3] or 1), ARGV[4])}
