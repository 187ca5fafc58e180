"""Conversations on real PostgreSQL and Redis."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio

import services.chat
from services.chat.domain import Message, Role
from services.chat.errors import ConversationNotFoundError
from services.chat.memory import StoredMemory
from services.chat.ports import Recollection
from services.runtime.postgres import postgres_pool

MIGRATIONS = Path(services.chat.__file__).with_name("migrations")


def said(*texts: str) -> list[Message]:
    roles = (Role.USER, Role.ASSISTANT)
    return [Message(roles[n % 2], text, len(text), "o200k_base") for n, text in enumerate(texts)]


@pytest.fixture
async def redis_client(redis_database_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    client = redis.asyncio.from_url(redis_database_url)
    yield client
    await client.aclose()


@pytest.fixture
async def memory(database_url: str, redis_client: redis.asyncio.Redis) -> AsyncIterator[StoredMemory]:
    async with postgres_pool(database_url, schema="chat", migrations=MIGRATIONS, connections_max=8) as pool:
        yield StoredMemory(pool, redis_client, ttl_s=60)


async def remember(memory: StoredMemory, user: str, conversation: str, *texts: str) -> None:
    known = await memory.recall(user, conversation)
    await memory.remember(user, conversation, known, said(*texts))


async def recalled(memory: StoredMemory, user: str, conversation: str) -> list[str]:
    return [message.content for message in (await memory.recall(user, conversation)).messages]


async def test_a_conversation_is_recalled_whole_and_in_order_from_redis_and_from_postgres(
    memory: StoredMemory, redis_client: redis.asyncio.Redis
) -> None:
    await remember(memory, "u", "c", "一", "二")
    await remember(memory, "u", "c", "三", "四")
    hot = await memory.recall("u", "c")
    await redis_client.flushdb()
    cold = await memory.recall("u", "c")
    assert hot == cold == Recollection(tuple(said("一", "二", "三", "四")), 4)


async def test_a_conversation_that_does_not_exist_yet_is_empty(memory: StoredMemory) -> None:
    assert await memory.recall("u", "new") == Recollection()


async def test_another_users_conversation_does_not_exist(
    memory: StoredMemory, redis_client: redis.asyncio.Redis
) -> None:
    await remember(memory, "u", "c", "秘密", "好的")
    for _ in ("hot", "cold"):
        with pytest.raises(ConversationNotFoundError):
            await memory.recall("v", "c")
        await redis_client.flushdb()
    with pytest.raises(ConversationNotFoundError):
        await memory.remember("v", "c", Recollection(), said("x", "y"))
    assert await recalled(memory, "u", "c") == ["秘密", "好的"]


async def test_turns_that_end_together_lose_nothing(memory: StoredMemory, redis_client: redis.asyncio.Redis) -> None:
    known = await memory.recall("u", "c")
    await asyncio.gather(*(memory.remember("u", "c", known, said(f"q{n}", f"a{n}")) for n in range(10)))
    hot = await recalled(memory, "u", "c")
    await redis_client.flushdb()
    assert hot == await recalled(memory, "u", "c")
    assert sorted(hot) == sorted(text for n in range(10) for text in (f"q{n}", f"a{n}"))
    assert all(hot[i][1:] == hot[i + 1][1:] for i in range(0, 20, 2)), "an exchange was torn apart"


async def test_redis_that_holds_rubbish_or_is_gone_costs_nothing_but_time(
    database_url: str, memory: StoredMemory, redis_client: redis.asyncio.Redis
) -> None:
    await remember(memory, "u", "c", "一", "二")
    await redis_client.hset("chat:memory:c", mapping={"version": "9", "window": "rubbish"})
    assert await recalled(memory, "u", "c") == ["一", "二"]
    nowhere = redis.asyncio.from_url("redis://127.0.0.1:1", socket_connect_timeout=0.2)
    async with postgres_pool(database_url, schema="chat", migrations=MIGRATIONS, connections_max=2) as pool:
        alone = StoredMemory(pool, nowhere, ttl_s=60)
        await remember(alone, "u", "c", "三", "四")
        assert await recalled(alone, "u", "c") == ["一", "二", "三", "四"]
    await nowhere.aclose()


async def test_an_old_copy_never_replaces_a_newer_one(memory: StoredMemory) -> None:
    await remember(memory, "u", "c", "一", "二")
    old = await memory.recall("u", "c")
    await remember(memory, "u", "c", "三", "四")
    await memory._warm("c", old.version, "u", old.messages)
    assert await recalled(memory, "u", "c") == ["一", "二", "三", "四"]
