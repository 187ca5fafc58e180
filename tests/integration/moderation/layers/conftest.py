"""A real Redis, and both platforms on the wire."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from services.runtime.redis import redis_client
from tests.fakes.remote_layers import OpenAIPlatform, WeChatPlatform, openai_platform, wechat_platform


@pytest.fixture
async def redis(redis_database_url: str) -> AsyncIterator[Redis]:
    """An empty Redis."""
    async with redis_client(redis_database_url) as client:
        yield client


@pytest.fixture
async def no_redis() -> AsyncIterator[Redis]:
    """A Redis that is away."""
    client = Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)
    yield client
    await client.aclose()


@pytest.fixture
async def wechat() -> AsyncIterator[WeChatPlatform]:
    """WeChat's server."""
    async with wechat_platform() as platform:
        yield platform


@pytest.fixture
async def openai_server() -> AsyncIterator[OpenAIPlatform]:
    """OpenAI's server."""
    async with openai_platform() as platform:
        yield platform
