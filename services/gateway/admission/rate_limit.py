"""How many requests a user may make in a minute, counted in Redis over all replicas."""

import asyncio
import time

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.gateway.errors import RateLimitedError
from services.gateway.metrics import GatewayMetrics

# Nobody waits longer than this for a limit to be checked, and a Redis that failed is left alone for a while.
_PATIENCE_S = 0.25
_PAUSE_S = 1.0

_WINDOW_S = 60.0

log = structlog.get_logger()


class RateLimit:
    """Counts each user's requests in Redis, over a sliding minute. Without Redis everyone may come in."""

    def __init__(self, redis: Redis, *, per_minute: int, metrics: GatewayMetrics) -> None:
        """Let each user make `per_minute` requests a minute."""
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix="gateway:rate",
            # Typed for numbers and texts, documented for pools.
            connection_pool=redis.connection_pool,  # type: ignore[arg-type]
        )
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._item = RateLimitItemPerMinute(per_minute)
        self._metrics = metrics
        self._paused_until = 0.0

    async def count(self, user_id: str, requests: int = 1) -> None:
        """Count so many requests.

        Raises:
            RateLimitedError: The user has made too many.
        """
        if time.monotonic() < self._paused_until:
            self._metrics.unlimited.inc()
            return
        try:
            async with asyncio.timeout(_PATIENCE_S):
                if await self._limiter.hit(self._item, user_id, cost=requests):
                    return
                stats = await self._limiter.get_window_stats(self._item, user_id)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("rate limit not checked: redis does not answer", error=type(error).__name__)
            self._metrics.unlimited.inc()
            self._paused_until = time.monotonic() + _PAUSE_S
            return
        wait_s = min(max(stats.reset_time - time.time(), 1.0), _WINDOW_S)
        raise RateLimitedError("Too many requests; try again shortly.", retry_after_s=wait_s)
