-- Ends the log of a turn whose writer is dead; from now on nobody appends to it.
--
-- KEYS: the turn's stream. ARGV: the event that ends it; seconds to keep.
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if last and last[2][1] ~= 'end' and last[2][1] ~= 'free' then
  local position = string.match(last[1], '^%d+')
  redis.call('XADD', KEYS[1], position .. '-100', 'end', ARGV[1], 'attempt', '0')
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return 1
