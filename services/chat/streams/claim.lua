-- Begins a turn's log, unless it was begun before and did not end freely.
--
-- A claim that is sent a second time, because its first answer was lost, is answered as the first time.
--
-- KEYS: the turn's stream; the set of turns that its writer runs.
-- ARGV: fingerprint of the input; the writer; seconds to keep; the turn's name in the set; what names this claim.
-- Answers {1, attempt} when it is the caller's to run, else {0, fingerprint of the input it was begun with}.
local attempt = 0
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if first then
  if first[2][6] == ARGV[5] then return {1, tonumber(first[2][8])} end
  local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
  if last[2][1] ~= 'free' then return {0, first[2][2]} end
  attempt = tonumber(last[2][4])
  redis.call('DEL', KEYS[1])
end
redis.call('XADD', KEYS[1], '0-1', 'input', ARGV[1], 'writer', ARGV[2], 'claim', ARGV[5], 'attempt', attempt)
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('SADD', KEYS[2], ARGV[4])
redis.call('EXPIRE', KEYS[2], 86400)
return {1, attempt}
