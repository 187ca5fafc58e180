"""Redis: a client that gives up quickly, because nothing that only Redis knows is worth waiting for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import redis.asyncio
from redis.exceptions import RedisError

from services.runtime.errors import StartupError


@asynccontextmanager
async def redis_client(url: str) -> AsyncIterator["redis.asyncio.Redis"]:
    """Connect, check, and close in the end; values are bytes.

    Raises:
        StartupError: Redis does not answer.
    """
    where = urlsplit(url).hostname or "its socket"
    try:
        client = redis.asyncio.from_url(url, socket_timeout=1.0, socket_connect_timeout=1.0, protocol=3)
    except ValueError as error:
        raise StartupError(f"REDIS_URL is wrong: {error}") from None
    try:
        try:
            await client.ping()
        except (RedisError, OSError):
            raise StartupError(f"Redis at {where} does not answer: start it, or check REDIS_URL.") from None
        yield client
    finally:
        await client.aclose()
