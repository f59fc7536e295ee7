-- The rule of GCRA, exact under any concurrency: one request at an instant against a limit. Stands before scripts.
-- key: theoretical arrival time, microseconds (string); interval: between requests at the steady rate, microseconds;
-- burst: requests
-- Gives microseconds until the request may pass, 0 when it may; how many more may now; microseconds until the limit is
-- full again, or, when no more may now, until one may
local function gcra(key, now_us, interval, burst)
  local arrival = math.max(tonumber(redis.call('GET', key) or now_us), now_us)
  local wait = arrival - (now_us + interval * (burst - 1))
  if wait > 0 then
    return math.ceil(wait), 0, math.ceil(wait)
  end
  local following = arrival + interval
  redis.call('SET', key, string.format('%.0f', following), 'PX', math.ceil((following - now_us) / 1000) + 1)
  local until_full = following - now_us
  local left = math.floor((interval * burst - until_full) / interval)
  if left > 0 then
    return 0, left, math.ceil(until_full)
  end
  return 0, 0, math.ceil(until_full - interval * (burst - 1))
end
