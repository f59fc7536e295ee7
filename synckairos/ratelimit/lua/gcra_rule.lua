-- GCRA, exact under any concurrency: counts one request at an instant against a limit. A library for other scripts.
-- key: theoretical arrival time, microseconds (string); interval: between requests at the steady rate, microseconds;
-- burst: requests; cost: number of requests it counts as, at most the burst, 1 by default; is_charge: count, never refuse
-- Returns microseconds until the request may pass, 0 when it may; how many more may pass now; microseconds until the
-- limit is full again or, when no more may pass, until one may or, of a refused request, until it may
local function gcra(key, now_us, interval, burst, cost, is_charge)
  local arrival = math.max(tonumber(redis.call('GET', key) or now_us), now_us)
  local following = arrival + interval * (cost or 1)
  local wait = following - (now_us + interval * burst)
  if wait > 0 and not is_charge then
    local left = math.floor((now_us + interval * burst - arrival) / interval)
    return math.ceil(wait), math.max(left, 0), math.ceil(wait)
  end
  redis.call('SET', key, string.format('%.0f', following), 'PX', math.ceil((following - now_us) / 1000) + 1)
  local until_full = following - now_us
  local left = math.floor((interval * burst - until_full) / interval)
  if left > 0 then
    return 0, left, math.ceil(until_full)
  end
  return 0, 0, math.ceil(until_full - interval * (burst - 1))
end
