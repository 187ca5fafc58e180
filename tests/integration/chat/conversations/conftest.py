"""Conversations on real PostgreSQL and Redis."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio

import services.chat
from services.chat.conversations.conversations import Conversations
from services.chat.conversations.hot import HotWindows
from services.chat.conversations.memory import StoredMemory
from services.runtime.postgres import postgres_pool
from services.runtime.redis import redis_client

MIGRATIONS = Path(services.chat.__file__).with_name("migrations")


@pytest.fixture
async def client(redis_database_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis_client(redis_database_url) as client:
        yield client


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    async with postgres_pool(database_url, schema="chat", migrations=MIGRATIONS, connections_max=8) as pool:
        yield pool


@pytest.fixture
def hot(client: redis.asyncio.Redis) -> HotWindows:
    return HotWindows(client, ttl_s=60, tokens_max=1_000_000)


@pytest.fixture
def memory(pool: "asyncpg.Pool[asyncpg.Record]", hot: HotWindows) -> StoredMemory:
    return StoredMemory(pool, hot)


@pytest.fixture
def conversations(pool: "asyncpg.Pool[asyncpg.Record]", hot: HotWindows) -> Conversations:
    return Conversations(pool, hot)
