-- Says that a replica lives, and asks who does not and which of its turns are to be stopped.
--
-- A word to stop a turn stays until the replica says that it was heeded: the answer that brings it may be lost.
--
-- KEYS: the sorted set of replicas by the second of their last beat; the replica's list of words to stop turns.
-- ARGV: the replica; after how many silent seconds another counts as dead; the words that were heeded.
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
for i = 3, #ARGV do redis.call('LREM', KEYS[2], 1, ARGV[i]) end
return {redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2])), redis.call('LRANGE', KEYS[2], 0, -1)}
