-- Appends events to a turn's log, unless it has ended: whoever found its writer dead may have ended it.
--
-- What is sent a second time, because the first answer was lost, is recognised by its id.
--
-- KEYS: the turn's stream; the set of turns that its writer runs.
-- ARGV: seconds to keep; the turn's name in the set; then for each event its id, 'event', 'end' or 'free', the event,
-- and the attempt that follows a free end.
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not last or last[2][1] == 'end' or last[2][1] == 'free' then return 0 end
for i = 3, #ARGV, 4 do
  redis.pcall('XADD', KEYS[1], ARGV[i], ARGV[i + 1], ARGV[i + 2], 'attempt', ARGV[i + 3])
  if ARGV[i + 1] ~= 'event' then redis.call('SREM', KEYS[2], ARGV[2]) end
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
