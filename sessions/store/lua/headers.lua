-- Headers: epoch and version of many sessions of one shard, without reading their states. Changes nothing.
-- KEYS: states (strings)
-- ARGV: 1 length of a header in bytes
-- Result: {header or '', …} in the order of KEYS
local headers = {}
for i, key in ipairs(KEYS) do
  headers[i] = redis.call('GETRANGE', key, 0, ARGV[1] - 1)
end
return headers
