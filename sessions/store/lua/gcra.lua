-- GCRA: one request against a limit, exact under any concurrency, on the store's own clock.
-- KEYS: 1 theoretical arrival time, microseconds (string)
-- ARGV: 1 interval between requests at the steady rate, microseconds; 2 burst, requests
-- Result: {microseconds until the request may pass, 0 when it may; how many more may now; microseconds until the limit
--   is full again, or, when no more may now, until one may}
local now = redis.call('TIME')
local now_us = now[1] * 1000000 + now[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or now_us), now_us)
local wait = arrival - (now_us + interval * (burst - 1))
if wait > 0 then
  return {math.ceil(wait), 0, math.ceil(wait)}
end
local following = arrival + interval
redis.call('SET', KEYS[1], string.format('%.0f', following), 'PX', math.ceil((following - now_us) / 1000) + 1)
local until_full = following - now_us
local left = math.floor((interval * burst - until_full) / interval)
if left > 0 then
  return {0, left, math.ceil(until_full)}
end
return {0, 0, math.ceil(until_full - interval * (burst - 1))}
