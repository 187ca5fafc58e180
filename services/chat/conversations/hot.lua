-- Puts the copy of a conversation that Redis keeps, or takes it away; keeps all copies together within a weight.
--
-- A copy replaces an older version only, so two turns that end together cannot bury one another's messages. Copies that
-- nobody used for their time go first, then those used longest ago until the rest is light enough. An empty copy takes
-- the conversation's away.
--
-- KEYS: the copy; the conversations by their last use (sorted set); their weights (hash); the sum of these.
-- ARGV: the user's conversation; version; copy; seconds to keep; weight in tokens; most tokens of all copies; prefix of copies.
local copy, used, weights, total = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = tonumber(redis.call('TIME')[1])

local function drop(id)
  redis.call('DEL', ARGV[7] .. id)
  redis.call('ZREM', used, id)
  local weight = tonumber(redis.call('HGET', weights, id) or '0')
  redis.call('HDEL', weights, id)
  return redis.call('DECRBY', total, weight)
end

if ARGV[3] == '' then
  drop(ARGV[1])
  return 0
end
if tonumber(ARGV[2]) <= tonumber(redis.call('HGET', copy, 'version') or '-1') then return 0 end

redis.call('HSET', copy, 'version', ARGV[2], 'window', ARGV[3])
redis.call('EXPIRE', copy, ARGV[4])
local before = tonumber(redis.call('HGET', weights, ARGV[1]) or '0')
redis.call('HSET', weights, ARGV[1], ARGV[5])
redis.call('ZADD', used, now, ARGV[1])
local sum = redis.call('INCRBY', total, tonumber(ARGV[5]) - before)

-- Redis has let these copies go by itself; a few at a time, so that no turn pays for a whole night.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', used, '-inf', now - tonumber(ARGV[4]), 'LIMIT', 0, 32)) do
  sum = drop(id)
end
while sum > tonumber(ARGV[6]) do
  local oldest = redis.call('ZRANGE', used, 0, 0)[1]
  if not oldest then
    redis.call('SET', total, 0)
    break
  end
  sum = drop(oldest)
end
return 1
