-- Unstored: the newest entries of a session that the audit has not stored. Changes nothing.
-- KEYS: 1 state of the session (string), then streams of its shard with entries that the audit has not stored, the last one with those that were set aside
-- ARGV: 1 id of the session, 16 bytes, 2 number of entries of each stream to look at, the newest first
-- Result: {kind, entry, …}: of each stream the newest entry of the session. Of the kinds
--         live  the store has the session; no stream was looked at
--         cut   a stream other than the last one has more entries, and none of the newest is of the session
--         all   everything was looked at
local HEAD = 32 -- bytes of an entry that the id of its session is within
local result, limit = {'all'}, tonumber(ARGV[2])

local function newest(entries)
  for _, entry in ipairs(entries) do
    for _, field in ipairs(entry[2]) do
      if string.find(string.sub(field, 1, HEAD), ARGV[1], 1, true) then
        return field
      end
    end
  end
end

if redis.call('EXISTS', KEYS[1]) == 1 then
  return {'live'}
end
for place = 2, #KEYS do
  local entries = redis.call('XREVRANGE', KEYS[place], '+', '-', 'COUNT', limit)
  local found = newest(entries)
  if found then
    result[#result + 1] = found
  elseif #entries == limit and place < #KEYS then
    result[1] = 'cut'
  end
end
return result
