"""What each key may ask for in a minute, counted in Redis over a sliding minute and shared by all replicas."""

import asyncio
import time

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

# Nobody waits longer than this for a budget to be checked, and a Redis that failed is left alone for a while.
_PATIENCE_S = 0.25
_PAUSE_S = 1.0

_WINDOW_S = 60.0

log = structlog.get_logger()


class RedisBudgets:
    """Counts requests and tokens. Without Redis every call may go: the provider itself counts, too."""

    def __init__(self, redis: Redis) -> None:
        """Count there."""
        storage = RedisStorage("async+redis://", implementation="redispy", key_prefix="chat:upstreams")
        # It would make a client of its own: ours may be a cluster's, and knows when to leave Redis alone.
        storage.bridge.connection_getter = lambda _: redis  # type: ignore[attr-defined]  # of this implementation
        storage.bridge.register_scripts()
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._paused_until = 0.0

    async def take(self, name: str, *, cost: int, per_minute: int) -> float:
        """Take from a budget; 0, or how many seconds to wait.

        What is larger than the whole budget takes all of it: it could never be asked for otherwise.
        """
        if time.monotonic() < self._paused_until:
            return 0.0
        item = RateLimitItemPerMinute(per_minute)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                if await self._limiter.hit(item, name, cost=min(cost, per_minute)):
                    return 0.0
                stats = await self._limiter.get_window_stats(item, name)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("budgets of providers not checked: redis does not answer", error=type(error).__name__)
            self._paused_until = time.monotonic() + _PAUSE_S
            return 0.0
        return min(max(stats.reset_time - time.time(), 1.0), _WINDOW_S)
