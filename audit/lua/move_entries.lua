-- Move entries: entries from one stream to the end of another, also on a full store: as much is freed as is taken.
-- KEYS: 1 stream, 2 other stream
-- ARGV: for each entry its id, the number of fields and values that it has in the other stream, then those
-- Result: number of moved entries; one that no longer exists is left out
local moved, at = 0, 1
while at < #ARGV do
  local size = tonumber(ARGV[at + 1])
  if redis.call('XDEL', KEYS[1], ARGV[at]) == 1 then
    redis.call('XADD', KEYS[2], '*', unpack(ARGV, at + 2, at + 1 + size))
    moved = moved + 1
  end
  at = at + 2 + size
end
return moved
