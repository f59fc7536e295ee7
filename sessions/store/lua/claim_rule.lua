-- The rule of places: what an owner may have so many of. Stands before scripts.
-- sets: what the owner has (sorted sets: member -> when it was claimed, ms); mosts: how many each may hold; member: the new
-- one; now_ms: the instant
-- Gives 0 when it has a place in each now, else the number of the first set that is full, and nothing is changed
local function claim(sets, mosts, member, now_ms)
  for i, set in ipairs(sets) do
    if redis.call('ZCARD', set) >= tonumber(mosts[i]) then
      return i
    end
  end
  for _, set in ipairs(sets) do
    redis.call('ZADD', set, now_ms, member)
  end
  return 0
end
