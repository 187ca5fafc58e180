"""A client of an empty Redis."""

from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from services.runtime.redis import redis_client


@pytest.fixture
async def client(redis_database_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis_client(redis_database_url) as client:
        yield client
