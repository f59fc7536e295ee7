-- Charge: what is kept for somebody from now on, by the hour; an hour counts until all that was kept in it is gone.
-- KEYS: 1 hour since the epoch -> bytes (hash)
-- ARGV: 1 bytes more, 2 how many there may be, 3 for how many hours they are kept
-- Result: seconds until there are no more than there may be; 0 when there are not
local now = redis.call('TIME')
local hour, kept = math.floor(now[1] / 3600), tonumber(ARGV[3])
redis.call('HINCRBY', KEYS[1], hour, ARGV[1])
redis.call('EXPIRE', KEYS[1], (kept + 1) * 3600)
local fields, hours, bytes, total = redis.call('HGETALL', KEYS[1]), {}, {}, 0
for i = 1, #fields, 2 do
  local then_hour = tonumber(fields[i])
  if then_hour < hour - kept then
    redis.call('HDEL', KEYS[1], fields[i])
  else
    hours[#hours + 1], bytes[then_hour] = then_hour, tonumber(fields[i + 1])
    total = total + bytes[then_hour]
  end
end
table.sort(hours)
local over_s = 0
for _, then_hour in ipairs(hours) do
  if total <= tonumber(ARGV[2]) then
    break
  end
  total, over_s = total - bytes[then_hour], (then_hour + kept + 1) * 3600 - now[1]
end
return over_s
