#!lua flags=allow-oom
-- Move: entries from one stream to the end of another, on a full store too: as much is freed as is taken.
-- KEYS: 1 stream, 2 other stream
-- ARGV: for each entry its id, the number of fields and values that it has in the other stream, then these
-- Result: how many were moved; one that is not there any more is left out
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
