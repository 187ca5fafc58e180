"""How many requests may be made in a minute, counted in Redis over all replicas, in one round trip."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.gateway.admission.metrics import AdmissionMetrics
from services.gateway.errors import RateLimitedError

# Nobody waits longer than this for a limit to be checked, and a Redis that failed is left alone for a while.
_PATIENCE_S = 0.25
_PAUSE_S = 1.0

_WINDOW_MS = 60_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a limit leaves: so many of `limit` requests, in any minute."""

    limit: int
    remaining: int

    @property
    def headers(self) -> dict[str, str]:
        """As clients know it."""
        return {"X-RateLimit-Limit": str(self.limit), "X-RateLimit-Remaining": str(self.remaining)}


class RateLimit:
    """Counts requests over a sliding minute. Without Redis everyone may come in."""

    def __init__(self, redis: Redis, metrics: AdmissionMetrics) -> None:
        """Count there.

        The `limits` package would need a second round trip to say what is left.
        """
        self._script = redis.register_script(Path(__file__).with_name("sliding_window.lua").read_text("utf-8"))
        self._metrics = metrics
        self._paused_until = 0.0

    async def count(self, limit: str, who: str, *, per_minute: int, requests: int = 1) -> Allowance | None:
        """Count so many requests of somebody under a limit of this name; answers what is left, None without Redis.

        Raises:
            RateLimitedError: It is too much.
        """
        if time.monotonic() < self._paused_until:
            self._metrics.unlimited.inc()
            return None
        try:
            async with asyncio.timeout(_PATIENCE_S):
                allowed, remaining, wait_ms = await self._script(
                    keys=[f"gateway:rate:{limit}:{who}"], args=[per_minute, requests, _WINDOW_MS]
                )
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("rate limit not checked: redis does not answer", error=type(error).__name__)
            self._metrics.unlimited.inc()
            self._paused_until = time.monotonic() + _PAUSE_S
            return None
        if not allowed:
            self._metrics.rate_limited.labels(limit).inc()
            raise RateLimitedError(
                "Too many requests; try again shortly.",
                metadata={"limit": str(per_minute), "remaining": str(remaining)},
                retry_after_s=min(wait_ms, _WINDOW_MS) / 1000,
            )
        return Allowance(per_minute, remaining)
