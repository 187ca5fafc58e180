"""What WeChat allows a mini-program, shared by all replicas: a token bucket for the minute and a counter for the day.

The bucket refills evenly, so that a burst leaves something for the rest of its minute; bucket and refill together never
allow more than the limit in any sixty seconds.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.moderation.errors import LayerDownError
from services.runtime.batching import Batcher

# What may be taken at once, as a share of a minute's.
_BURST_SHARE = 0.1

# Nobody waits longer than this for the quota to be counted, and a Redis that failed is left alone for a while.
_PATIENCE_S = 0.25
_PAUSE_S = 1.0

# How long nobody asks after the platform itself said that the quota is used up; doubled while it goes on saying so. It
# does not tell whether it means the minute or the day.
_EXHAUSTED_S = 60.0
_EXHAUSTED_S_MAX = 3600.0

_DAY_MS = 86_400_000
# The platform's days begin at midnight in China.
_CHINA_MS = 8 * 3_600_000

# KEYS: the bucket, the day, the pause. ARGV: capacity, refill a millisecond, the limit of a day, what China's clock is
# ahead by, the length of a day, then what each asker wants. Answers for each whether it is granted, all or nothing; an
# empty answer while there is a pause. The clock is the server's, one for all replicas.
_TAKE = """
if redis.call('EXISTS', KEYS[3]) == 1 then
  return {}
end
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local capacity, refill, per_day = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local bucket = redis.call('HMGET', KEYS[1], 'level', 'at')
local level = math.min(tonumber(bucket[1]) or capacity, capacity)
level = math.min(capacity, level + math.max(0, now - (tonumber(bucket[2]) or now)) * refill)
local today = math.floor((now + tonumber(ARGV[4])) / tonumber(ARGV[5]))
local day = redis.call('HMGET', KEYS[2], 'day', 'used')
local used = (tonumber(day[1]) == today) and tonumber(day[2]) or 0
local granted = {}
for i = 6, #ARGV do
  local wanted = tonumber(ARGV[i])
  if wanted <= level and used + wanted <= per_day then
    level, used = level - wanted, used + wanted
    granted[i - 5] = 1
  else
    granted[i - 5] = 0
  end
end
redis.call('HSET', KEYS[1], 'level', string.format('%.6f', level), 'at', now)
redis.call('PEXPIRE', KEYS[1], 120000)
redis.call('HSET', KEYS[2], 'day', today, 'used', used)
redis.call('PEXPIRE', KEYS[2], 2 * tonumber(ARGV[5]))
return granted
"""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Bucket:
    """How a limit a minute becomes a bucket; its capacity, and its refill a second."""

    capacity: float
    refill_per_s: float

    @classmethod
    def of(cls, per_minute: float) -> "Bucket":
        """The bucket that allows at most so many in any sixty seconds."""
        capacity = min(per_minute, max(1.0, per_minute * _BURST_SHARE))
        return cls(capacity, (per_minute - capacity) / 60)


class Quota:
    """Takes from the platform's limits."""

    def __init__(
        self,
        redis: Redis,
        appid: str,
        *,
        per_minute: int,
        per_day: int,
        share_without_redis: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Count one mini-program's calls; without Redis each replica takes its share alone."""
        self._redis = redis
        # In braces, so that a cluster of Redis keeps them together.
        prefix = f"moderation:wechat:{{{appid}}}:"
        self._keys = [f"{prefix}minute", f"{prefix}day", f"{prefix}pause"]
        self._take = redis.register_script(_TAKE)
        self._bucket = Bucket.of(per_minute)
        self._per_day = per_day
        self._local = _LocalBucket(Bucket.of(per_minute * share_without_redis), clock)
        self._clock = clock
        self._alone_until = 0.0
        self._closed_until = 0.0
        self._exhausted_in_a_row = 0
        # Askers of the same moment share one round trip.
        self._batcher: Batcher[int, bool] = Batcher(self._granted, in_flight_max=1)

    async def take(self, calls: int) -> None:
        """Take so many calls, all or none.

        Raises:
            LayerDownError: They are more than what is left now: quota.
        """
        if self._clock() < self._closed_until or not await self._batcher.submit(calls):
            raise LayerDownError("quota")

    def answered(self) -> None:
        """The platform took a call."""
        self._exhausted_in_a_row = 0

    async def exhausted(self) -> None:
        """The platform itself says that there is nothing left: nobody asks for a while, on any replica."""
        if self._clock() < self._closed_until:
            return
        pause_s = min(_EXHAUSTED_S * 2**self._exhausted_in_a_row, _EXHAUSTED_S_MAX)
        self._exhausted_in_a_row += 1
        self._closed_until = self._clock() + pause_s
        log.error("wechat's quota is used up", pause_s=pause_s)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._redis.set(self._keys[2], b"1", px=round(pause_s * 1000))
        except (RedisError, OSError, TimeoutError) as error:
            self._be_alone(error)

    async def _granted(self, wanted: Sequence[int]) -> Sequence[bool]:
        if self._clock() < self._alone_until:
            return [self._local.take(calls) for calls in wanted]
        arguments = [
            self._bucket.capacity,
            self._bucket.refill_per_s / 1000,
            self._per_day,
            _CHINA_MS,
            _DAY_MS,
            *wanted,
        ]
        try:
            async with asyncio.timeout(_PATIENCE_S):
                granted = await self._take(keys=self._keys, args=arguments)
        except (RedisError, OSError, TimeoutError) as error:
            self._be_alone(error)
            return [self._local.take(calls) for calls in wanted]
        return [bool(each) for each in granted] or [False] * len(wanted)

    def _be_alone(self, error: Exception) -> None:
        self._alone_until = self._clock() + _PAUSE_S
        log.warning("wechat's quota is not shared: redis does not answer", error=type(error).__name__)


class _LocalBucket:
    """One replica's share."""

    def __init__(self, bucket: Bucket, clock: Callable[[], float]) -> None:
        self._bucket = bucket
        self._clock = clock
        self._level = bucket.capacity
        self._at = clock()

    def take(self, calls: int) -> bool:
        now = self._clock()
        self._level = min(self._bucket.capacity, self._level + (now - self._at) * self._bucket.refill_per_s)
        self._at = now
        if calls > self._level:
            return False
        self._level -= calls
        return True
