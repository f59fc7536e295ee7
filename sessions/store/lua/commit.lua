-- Commit: one transition of one session, all or nothing. See docs/consistency.md.
--
-- KEYS: 1 state (string), 2 recent commits (list), 3 deadlines (sorted set), 4 outbox (stream),
--       5 idempotency record (string; absent when the caller gave no key)
-- ARGV: 1 header that the state must begin with; '' when the session must not exist
--       2 new state, header first; '' to delete the session
--       3 instant at which the session may be forgotten, ms
--       4 next deadline, ms; '' for none
--       5 session id, as the member of the deadlines
--       6 this commit for the recent list; it begins with the command id
--       7 length of a command id in bytes
--       8 how many recent commits are kept
--       9 outbox entry
--      10 channel of the group, 11 message for it
--      12 idempotency record, 13 its time to live, ms
--      14 channel of the timekeepers of this shard
-- Result: {'done'}
--         {'repeat'}                  this very commit is already in (its reply was lost)
--         {'answered', record}        the Idempotency-Key has been used: its first answer
--         {'race', sec, usec, state}  the state is another one; it comes with the store's clock
--         {'gone'}                    the session does not exist
-- Writes every key named above, and publishes. Anything but 'done' has changed nothing.
local header, blob, command = ARGV[1], ARGV[2], string.sub(ARGV[6], 1, ARGV[7])

if KEYS[5] then
  local record = redis.call('GET', KEYS[5])
  if record then
    return {'answered', record}
  end
end

local current = redis.call('GETRANGE', KEYS[1], 0, math.max(#header, 1) - 1)
if current ~= header then
  for _, commit in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
    if string.sub(commit, 1, #command) == command then
      return {'repeat'}
    end
  end
  if current == '' then
    return {'gone'}
  end
  local now = redis.call('TIME')
  return {'race', now[1], now[2], redis.call('GET', KEYS[1])}
end

if blob == '' then
  redis.call('DEL', KEYS[1], KEYS[2])
else
  redis.call('SET', KEYS[1], blob, 'PXAT', ARGV[3])
  redis.call('LPUSH', KEYS[2], ARGV[6])
  redis.call('LTRIM', KEYS[2], 0, ARGV[8] - 1)
  redis.call('PEXPIREAT', KEYS[2], ARGV[3])
end
if ARGV[4] == '' then
  redis.call('ZREM', KEYS[3], ARGV[5])
else
  redis.call('ZADD', KEYS[3], ARGV[4], ARGV[5])
  if redis.call('ZRANK', KEYS[3], ARGV[5]) == 0 then
    -- It is the earliest of all now: whoever sleeps until another one must hear of it.
    redis.call('PUBLISH', ARGV[14], ARGV[4])
  end
end
redis.call('XADD', KEYS[4], '*', 'e', ARGV[9])
if KEYS[5] then
  redis.call('SET', KEYS[5], ARGV[12], 'PX', ARGV[13])
end
redis.call('PUBLISH', ARGV[10], ARGV[11])
return {'done'}
