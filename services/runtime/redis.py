"""Redis: a client that gives up quickly, because nothing that only Redis knows is worth waiting for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import redis.asyncio
import redis.exceptions
from redis.asyncio.connection import ConnectionPool, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from services.runtime.errors import StartupError

_CONNECT_S = 1.0
_ANSWER_S = 1.0


class _Patience:
    """A connection that waits so long for an answer, and may be cancelled at any time.

    redis-py's own `socket_timeout` sends with `asyncio.wait_for`, which in Python 3.11 now and then swallows a
    cancellation (cpython issue 86296), and costs a task for each command.
    """

    async def read_response(self, disable_decoding: bool = False, timeout: float | None = None, **options: Any) -> Any:
        """Read an answer; with a `timeout` in seconds, as redis-py has it.

        Raises:
            redis.exceptions.TimeoutError: None came; the connection is closed.
        """
        read = super().read_response  # type: ignore[misc]  # a mixin
        if timeout is not None:
            return await read(disable_decoding, timeout, **options)
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await read(disable_decoding, **options)
        except TimeoutError:
            raise redis.exceptions.TimeoutError("Redis does not answer.") from None


@asynccontextmanager
async def redis_client(url: str) -> AsyncIterator["redis.asyncio.Redis"]:
    """Connect, check, and close in the end; values are bytes.

    Raises:
        StartupError: Redis does not answer.
    """
    where = urlsplit(url).hostname or "its socket"
    try:
        client = redis.asyncio.Redis.from_pool(_pool(url))
    except ValueError as error:
        raise StartupError(f"REDIS_URL is wrong: {error}") from None
    try:
        try:
            await client.ping()
        except (redis.exceptions.RedisError, OSError):
            raise StartupError(f"Redis at {where} does not answer: start it, or check REDIS_URL.") from None
        yield client
    finally:
        await client.aclose()


def _pool(url: str) -> ConnectionPool:
    options: dict[str, Any] = {**parse_url(url)}
    # Plain, TLS or a socket in the file system: the address says which.
    kind = options.pop("connection_class", redis.asyncio.Connection)
    return ConnectionPool(
        connection_class=type(kind.__name__, (_Patience, kind), {}),
        **options,
        socket_connect_timeout=_CONNECT_S,
        socket_timeout=None,
        protocol=3,
        # Once more and at once, for a connection that has gone stale; by default it would wait for seconds.
        retry=Retry(NoBackoff(), 1),
    )
