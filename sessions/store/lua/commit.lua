-- Commit: one transition of one session, all or nothing. See docs/consistency.md.
--
-- KEYS: 1 state (string), 2 recent commits (list), 3 deadlines (sorted set), 4 outbox (stream),
--       then, as far as there are any: the idempotency record (string), the limit of switches (string)
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
--      12 idempotency record ('' when the caller gave no key), 13 its time to live, ms
--      14 channel of the timekeepers of this shard
--      15 interval between switches, microseconds ('' when this commit counts for no limit), 16 burst
-- Result: {'done', wait, more, reset}  the limit as gcra_rule.lua has it; nothing after 'done' without one
--         {'limited', wait, more, reset}  too many switches
--         {'repeat'}                  this very commit is already in (its reply was lost)
--         {'answered', record}        the Idempotency-Key has been used: its first answer
--         {'race', sec, usec, state}  the state is another one; it comes with the store's clock
--         {'gone'}                    the session does not exist
-- Writes every key named above, and publishes. Anything but 'done' has changed nothing.
local header, blob, command = ARGV[1], ARGV[2], string.sub(ARGV[6], 1, ARGV[7])
local answered = ARGV[12] ~= '' and KEYS[5]

if answered then
  local record = redis.call('GET', answered)
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

local reply = {'done'}
if ARGV[15] ~= '' then
  local now = redis.call('TIME')
  local wait, more, reset = gcra(KEYS[#KEYS], now[1] * 1000000 + now[2], tonumber(ARGV[15]), tonumber(ARGV[16]))
  reply = {wait > 0 and 'limited' or 'done', wait, more, reset}
  if wait > 0 then
    return reply
  end
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
if answered then
  redis.call('SET', answered, ARGV[12], 'PX', ARGV[13])
end
redis.call('PUBLISH', ARGV[10], ARGV[11])
return reply
