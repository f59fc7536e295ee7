-- Commit: one transition of one session, all or nothing. See docs/consistency.md.
--
-- KEYS: 1 state (string), 2 recent commits (list), 3 deadlines (sorted set), 4 outbox (stream), 5 idle sessions (sorted
--       set), then, as far as there are any: what the owner has (sorted sets), the idempotency record (string), the session's
--       limit of switches (string), the caller's limit (string)
-- ARGV: 1 header that the state must begin with; '' when the session must not exist
--       2 new state, header first; '' to delete the session
--       3 instant at which the session may be forgotten, ms
--       4 next deadline, ms; '' for none
--       5 session id, as the member of the deadlines
--       6 this commit for the recent list; it begins with the command id
--       7 length of a command id in bytes
--       8 how many recent commits are kept
--       9 outbox entry
--      10 channel of the group, 11 message for it; '' for none, and nothing is written if somebody listens
--      12 idempotency record ('' when the caller gave no key), 13 its time to live, ms
--      14 channel of the timekeepers of this shard
--      15 interval between switches, microseconds ('' when this commit counts for no such limit), 16 burst
--      17 and 18 the same of the caller's limit
--      19 instant that was decided on, ms, when the state was not loaded for it but remembered ('' otherwise); with it
--      20 how far in the past this may lie, ms, and 21 the id of the commit that has led to the remembered state
--      22 when it is time to see whether to let the session go, ms; with a '+' before it unless such an instant is noted
--         already; '-' when it is idle no longer, '' to leave that as it is
--      23 '1' when this commit may be in already though the state is the one that was decided on: its id is given by the
--         command, and others may bring the same
--      24 session and epoch as a member of what the owner has ('' when this commit changes nothing there), then for each of
--         these sets how many it may hold, when the session takes a place; nothing when it gives back its places in both
-- Result: {kind, limits, seconds, microseconds, …} with the store's clock, and of every limit that was counted three
-- numbers as gcra_rule.lua has them: first the caller's, then the session's. Of the kinds
--         done, receivers  the transition is in, or was already (its reply was lost: then nothing is counted); how many
--                          have received the message, nothing when there was none
--         limited          the last of the limits says no
--         answered, record the Idempotency-Key has been used: its first answer. One about a session that has made way for
--                          the one that stands under its id is none: it is written over
--         race, state      the state is another one, or the remembered instant is none of now
--         gone             the session does not exist
--         heard            somebody listens, and there was no message
--         full, number     the owner may have no more of what that set holds
-- Writes every key named above, and publishes. Anything but 'done' has changed nothing but the limits.
local header, blob, command = ARGV[1], ARGV[2], string.sub(ARGV[6], 1, ARGV[7])
local now, limits = redis.call('TIME'), {}

local function result(kind, more)
  return {kind, limits, now[1], now[2], more}
end

local function is_over(key, interval, burst)
  local wait, more, reset = gcra(key, now[1] * 1000000 + now[2], tonumber(interval), tonumber(burst))
  for _, number in ipairs({wait, more, reset}) do
    limits[#limits + 1] = number
  end
  return wait > 0
end

local EPOCH = 8 -- bytes, at the beginning of a header
local RECORD_HEAD = 64 -- bytes of an idempotency record that its state's epoch is within

local current = redis.call('GETRANGE', KEYS[1], 0, math.max(#header, EPOCH) - 1)
if current ~= header or ARGV[23] ~= '' then
  -- First of all: what is in is in, and counts for no limit a second time.
  for _, commit in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
    if string.sub(commit, 1, #command) == command then
      return result('done')
    end
  end
end

if ARGV[17] ~= '' and is_over(KEYS[#KEYS], ARGV[17], ARGV[18]) then
  return result('limited')
end

local sets = {}
if ARGV[24] ~= '' then
  for i = 1, #ARGV > 24 and #ARGV - 24 or 2 do
    sets[i] = KEYS[5 + i]
  end
end

local answered = ARGV[12] ~= '' and KEYS[6 + #sets]
if answered then
  local record = redis.call('GET', answered)
  local epoch = string.sub(current, 1, EPOCH)
  if record and string.find(string.sub(record, 1, RECORD_HEAD), epoch, 1, true) then
    return result('answered', record)
  end
end

if current ~= header then
  if current == '' then
    return result('gone')
  end
  return result('race', redis.call('GET', KEYS[1]))
end
if ARGV[19] ~= '' then
  local late = now[1] * 1000 + math.floor(now[2] / 1000) - ARGV[19]
  local last = redis.call('LINDEX', KEYS[2], 0) or ''
  if late < 0 or late > tonumber(ARGV[20]) or string.sub(last, 1, #command) ~= ARGV[21] then
    return result('race', redis.call('GET', KEYS[1]))
  end
end

if ARGV[11] == '' and redis.call('PUBSUB', 'NUMSUB', ARGV[10])[2] > 0 then
  return result('heard') -- before the session's limit: the caller comes again
end

if ARGV[15] ~= '' and is_over(KEYS[(answered and 7 or 6) + #sets], ARGV[15], ARGV[16]) then
  return result('limited')
end

if #ARGV > 24 then
  local full = claim(sets, {unpack(ARGV, 25)}, ARGV[24], now[1] * 1000 + math.floor(now[2] / 1000))
  if full > 0 then
    return result('full', full)
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
if ARGV[22] == '-' then
  redis.call('ZREM', KEYS[5], ARGV[5])
elseif string.sub(ARGV[22], 1, 1) == '+' then
  redis.call('ZADD', KEYS[5], 'NX', string.sub(ARGV[22], 2), ARGV[5])
elseif ARGV[22] ~= '' then
  redis.call('ZADD', KEYS[5], ARGV[22], ARGV[5])
end
redis.call('XADD', KEYS[4], '*', 'e', ARGV[9])
if #ARGV == 24 then
  for _, set in ipairs(sets) do
    redis.call('ZREM', set, ARGV[24]) -- after what a full store refuses: whatever has been written, the rest is too
  end
end
if answered then
  redis.call('SET', answered, ARGV[12], 'PX', ARGV[13])
end
return result('done', ARGV[11] ~= '' and redis.call('PUBLISH', ARGV[10], ARGV[11]) or nil)
