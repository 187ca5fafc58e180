"""Who may come in now: requests a minute over all replicas, and turns at once in this one."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.datastructures import Headers

from services.gateway.authentication import Authenticator
from services.gateway.errors import RateLimitedError, TooManyTurnsError
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


class TurnSlots:
    """How many turns each user may have running at once, in this process."""

    def __init__(self, *, per_user_max: int) -> None:
        """Allow so many."""
        self._per_user_max = per_user_max
        self._running: Counter[str] = Counter()

    @contextmanager
    def occupy(self, user_id: str) -> Iterator[None]:
        """Hold a slot while a turn runs.

        Raises:
            TooManyTurnsError: All of the user's slots are taken.
        """
        if self._running[user_id] >= self._per_user_max:
            raise TooManyTurnsError(
                "Too many turns are running; wait for one to end.",
                metadata={"limit": str(self._per_user_max)},
                retry_after_s=1,
            )
        self._running[user_id] += 1
        try:
            yield
        finally:
            self._running[user_id] -= 1
            if not self._running[user_id]:
                del self._running[user_id]


class Gate:
    """What every authenticated request passes."""

    def __init__(self, authenticator: Authenticator, rate_limit: RateLimit) -> None:
        """Ask these in this order."""
        self._authenticator = authenticator
        self._rate_limit = rate_limit

    async def enter(self, headers: Headers) -> str:
        """Answer who it is.

        Raises:
            InvalidApiKeyError: The bearer token is missing or not valid.
            RateLimitedError: The user makes too many requests.
            UnavailableError: The store of keys does not answer.
        """
        user_id = await self._authenticator.user_of(headers.get("authorization"))
        await self._rate_limit.count(user_id)
        return user_id

    async def count(self, user_id: str, requests: int) -> None:
        """Count what a request asks for beyond the one that it came in with.

        Raises:
            RateLimitedError: It is too much.
        """
        if requests > 0:
            await self._rate_limit.count(user_id, requests)
