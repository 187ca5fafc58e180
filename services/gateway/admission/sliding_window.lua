-- Counts requests over a sliding window: those of the window before count by the share of it that is still in sight.
--
-- KEYS[1]: the counter of one user: the number of its window, the requests in it, those in the window before.
-- ARGV: how many are allowed in a window; how many are made now; the window's length in milliseconds.
-- Answers {1, how many are left, 0}, or {0, how many are left, milliseconds until these could be made}.
local allowed, made, length = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window = math.floor(now / length)
local passed = (now % length) / length

local kept = redis.call('HMGET', KEYS[1], 'window', 'current', 'before')
local current, before = tonumber(kept[2]) or 0, tonumber(kept[3]) or 0
local age = window - (tonumber(kept[1]) or window)
if age == 1 then
  current, before = 0, current
elseif age > 1 then
  current, before = 0, 0
end

local counted = before * (1 - passed) + current
if counted + made <= allowed then
  redis.call('HSET', KEYS[1], 'window', window, 'current', current + made, 'before', before)
  redis.call('PEXPIRE', KEYS[1], 2 * length)
  return {1, math.floor(allowed - counted - made), 0}
end

-- In this window, once enough of the one before has passed out of sight; else in the next one, of this one.
local wait
if current + made <= allowed and before > 0 then
  wait = 1 - (allowed - current - made) / before - passed
else
  wait = 1 - passed + math.max(0, 1 - math.max(0, allowed - made) / math.max(current, 1))
end
return {0, math.max(0, math.floor(allowed - counted)), math.max(1, math.ceil(wait * length))}
