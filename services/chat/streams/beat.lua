-- Says that a replica lives, and asks who does not and which of its turns are to be stopped.
--
-- KEYS: the sorted set of replicas by the second of their last beat; the replica's list of turns to stop.
-- ARGV: the replica; after how many silent seconds another counts as dead.
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
local stop = redis.call('LRANGE', KEYS[2], 0, -1)
redis.call('DEL', KEYS[2])
return {redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2])), stop}
