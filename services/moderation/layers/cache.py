"""Verdicts that are known: in this process, and in Redis for all replicas.

A key is the SHA-256 of the layer, its settings and the text, and no user's: what a layer says hardly depends on who
wrote. Neither a text nor a failure is ever kept. Without Redis a replica remembers what it learned itself.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog
from cachetools import TLRUCache
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.moderation.domain import Layer, Opinion

_ENTRIES_MAX = 10_000

# Nobody waits longer than this for a verdict to be looked up, and a Redis that failed is left alone for a while.
_PATIENCE_S = 0.1
_PAUSE_S = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Known:
    """An opinion, and for how long it is good."""

    opinion: Opinion
    ttl_s: float


class VerdictCache:
    """The verdicts of one layer."""

    def __init__(
        self,
        redis: Redis,
        layer: Layer,
        *,
        settings_version: str,
        ttl_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember verdicts for `ttl_s`, 0 for not at all; `settings_version` changes when they would."""
        self._redis = redis
        self._prefix = f"moderation:verdict:{layer}:"
        self._salt = f"{layer}\0{settings_version}\0".encode()
        self._ttl_s = ttl_s
        self._clock = clock
        # Each has a time of its own: what Redis knew is not good for longer here than there.
        self._known: TLRUCache[bytes, _Known] = TLRUCache(
            _ENTRIES_MAX, ttu=lambda _, known, now: now + known.ttl_s, timer=clock
        )
        self._paused_until = 0.0
        self._writing: set[asyncio.Task[None]] = set()

    async def get(self, text: str) -> Opinion | None:
        """What the layer said about this text; None when that is not known."""
        if self._ttl_s <= 0:
            return None
        key = self._key(text)
        known = self._known.get(key)
        return known.opinion if known is not None else await self._stored(key)

    def put(self, text: str, opinion: Opinion) -> None:
        """Remember what the layer said; nobody waits for Redis."""
        if self._ttl_s <= 0:
            return
        key = self._key(text)
        self._known[key] = _Known(opinion, self._ttl_s)
        if self._clock() >= self._paused_until:
            task = asyncio.create_task(self._store(key, opinion))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def aclose(self) -> None:
        """Finish what is being stored."""
        await asyncio.gather(*self._writing)

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(self._salt + text.encode(errors="surrogatepass")).digest()

    async def _stored(self, key: bytes) -> Opinion | None:
        if self._clock() < self._paused_until:
            return None
        name = self._prefix + key.hex()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                async with self._redis.pipeline(transaction=False) as pipeline:
                    pipeline.get(name)
                    pipeline.pttl(name)
                    stored, lasts_ms = await pipeline.execute()
            opinion = None if stored is None else msgspec.json.decode(stored, type=Opinion)
        except (RedisError, OSError, TimeoutError) as error:
            self._pause(error)
            return None
        except msgspec.MsgspecError:
            # Of another version of ours: as good as unknown.
            return None
        if opinion is not None and lasts_ms > 0:
            self._known[key] = _Known(opinion, lasts_ms / 1000)
        return opinion

    async def _store(self, key: bytes, opinion: Opinion) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._redis.set(
                    self._prefix + key.hex(), msgspec.json.encode(opinion), px=max(1, round(self._ttl_s * 1000))
                )
        except (RedisError, OSError, TimeoutError) as error:
            self._pause(error)

    def _pause(self, error: Exception) -> None:
        self._paused_until = self._clock() + _PAUSE_S
        log.warning("verdicts are not shared: redis does not answer", error=type(error).__name__)
