-- Is undrained: whether commits of a session are on their way to the audit. Changes nothing.
-- KEYS: streams of one shard with entries that the audit has not stored
-- ARGV: 1 id of the session, 16 bytes, 2 number of entries of each stream to look at, the newest first
-- Result: 1 for yes, 0 for no, -1 when there are more entries, and none of the newest is of the session
local HEAD = 32 -- bytes of an entry that the id of its session is within
local result, limit = 0, tonumber(ARGV[2])
for _, key in ipairs(KEYS) do
  local entries = redis.call('XREVRANGE', key, '+', '-', 'COUNT', limit)
  for _, entry in ipairs(entries) do
    for _, field in ipairs(entry[2]) do
      if string.find(string.sub(field, 1, HEAD), ARGV[1], 1, true) then
        return 1
      end
    end
  end
  if #entries == limit then
    result = -1
  end
end
return result
