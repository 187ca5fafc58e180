"""Where answers are kept: in this process, then in Redis, which all replicas share."""

import time
from collections.abc import Callable
from typing import cast

import msgspec
import structlog
from cachetools import TTLCache
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.chat.answers.domain import KeptAnswer

# Larger answers are not kept: they would push out many that are asked for more often.
_ANSWER_BYTES_MAX = 64 * 1024

log = structlog.get_logger()


class TieredAnswerStore:
    """The port `AnswerStore`: answers by key, each for `ttl_s`; least recently used ones leave the process first."""

    def __init__(
        self, redis: Redis, *, ttl_s: int, local_bytes_max: int, clock: Callable[[], float] = time.time
    ) -> None:
        """Keep at most `local_bytes_max` of encoded answers in this process; `clock` answers seconds since 1970."""
        self._redis = redis
        self._ttl_s = ttl_s
        self._local: TTLCache[str, bytes] = TTLCache(local_bytes_max, ttl_s, timer=clock, getsizeof=len)
        self._now = clock
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(tuple[float, KeptAnswer]).decode

    def local(self, key: str) -> KeptAnswer | None:
        """What this process has."""
        data = self._local.get(key)
        return None if data is None else self._decode(data)[1]

    async def shared(self, key: str) -> KeptAnswer | None:
        """What Redis has; a Redis that fails, or holds something else, has nothing."""
        try:
            data = cast("bytes | None", await self._redis.get(_key(key)))
            kept_at, answer = (0.0, None) if data is None else self._decode(data)
        except (RedisError, OSError, msgspec.DecodeError) as error:
            log.warning("answer cache not read", error=type(error).__name__)
            return None
        # The local copy would live for a whole ttl more: only a fresh one is copied.
        if data is not None and self._now() < kept_at + self._ttl_s / 2:
            self._put(key, data)
        return answer

    async def keep(self, key: str, answer: KeptAnswer) -> None:
        """Keep an answer in both places."""
        data = self._encode((self._now(), answer))
        if len(data) > _ANSWER_BYTES_MAX:
            return
        self._put(key, data)
        try:
            await self._redis.set(_key(key), data, ex=self._ttl_s)
        except (RedisError, OSError) as error:
            log.warning("answer cache not written", error=type(error).__name__)

    def _put(self, key: str, data: bytes) -> None:
        if len(data) <= self._local.maxsize:
            self._local[key] = data


def _key(key: str) -> str:
    return f"chat:answer:{key}"
