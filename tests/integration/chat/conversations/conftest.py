"""Conversations on real PostgreSQL and Redis."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio
from prometheus_client import CollectorRegistry

import services.chat
from services.chat.conversations.conversations import Conversations
from services.chat.conversations.hot import HotWindows
from services.chat.conversations.memory import StoredMemory
from services.chat.conversations.ratings import Ratings
from services.chat.conversations.servicer import ConversationRpcs
from services.runtime.postgres import postgres_pool
from services.runtime.redis import redis_client

MIGRATIONS = Path(services.chat.__file__).with_name("migrations")


class Rpcs(ConversationRpcs):
    """Those about conversations alone."""

    StreamTurn = ResumeTurn = Exchange = CancelTurn = ListModels = EraseUser = None  # type: ignore[assignment]  # not under test


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


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def ratings(pool: "asyncpg.Pool[asyncpg.Record]", registry: CollectorRegistry) -> Ratings:
    return Ratings(pool, registry)


@pytest.fixture
def rpcs(conversations: Conversations, ratings: Ratings) -> Any:
    """The RPCs, to be called as gRPC would."""
    return Rpcs(conversations, ratings)
