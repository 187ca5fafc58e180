"""Erasing a user, on real PostgreSQL and Redis: nothing is left, nothing comes back, nobody else loses anything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

import services.chat
from sandbox.ports import free_ports
from services.chat.conversations.conversations import Conversations
from services.chat.conversations.erasure import ConversationErasure
from services.chat.conversations.hot import HotWindows
from services.chat.conversations.memory import StoredMemory
from services.chat.domain import (
    AnswerState,
    Completed,
    Delta,
    FinishReason,
    Message,
    Piece,
    Place,
    Question,
    Role,
    Started,
    Usage,
)
from services.chat.erasure import Erasure
from services.chat.errors import ConversationNotFoundError, RequestConflictError
from services.chat.ports import Recollection, Remembering, Show
from services.chat.streams.domain import TurnKey
from services.chat.streams.log import RedisTurnLog
from services.chat.streams.names import stops, stream
from services.chat.streams.registry import TurnRegistry
from services.runtime.errors import UnavailableError
from services.runtime.postgres import postgres_pool
from services.runtime.redis import redis_client
from tests.fakes.turn_scene import HELLO


@pytest.fixture
async def client(redis_database_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis_client(redis_database_url) as client:
        yield client


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    migrations = Path(services.chat.__file__).with_name("migrations")
    async with postgres_pool(database_url, schema="chat", migrations=migrations, connections_max=8) as pool:
        yield pool


class Talk:
    """A turn that says a letter a while, and says so when it is stopped."""

    async def run(self, question: Question, show: Show) -> None:
        show(Started("", "m"), 0)
        try:
            for position in range(1, 500):
                show(Delta(Piece("字")), position)
                await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            show(Completed(FinishReason.CANCELLED, Usage(1, 1), 2), 0)


class Replica:
    """One replica of the service, over the stores of the test."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", client: redis.asyncio.Redis, name: str) -> None:
        hot = HotWindows(client, ttl_s=60, tokens_max=1_000_000)
        self.memory, self.conversations = StoredMemory(pool, hot), Conversations(pool, hot)
        self.log = RedisTurnLog(client, replica=name, ttl_s=600)
        self.registry = TurnRegistry(Talk(), self.log, grace_s=10, timeout_s=10)
        self.erasure = Erasure(ConversationErasure(pool, hot), self.registry)

    async def talk(self, user: str, conversation: str, question: str = "我的秘密") -> None:
        known = await self.memory.recall(user, conversation, Place())
        await self.memory.remember(user, conversation, remembering(known, question))

    async def begin(self, user: str) -> TurnKey:
        """A turn whose caller has left."""
        async with aclosing(self.registry.open(replace(HELLO, user_id=user), "f")) as events:
            async for entry, _ in events:
                if entry.position >= 2:
                    break
        # Until it is written down.
        await asyncio.sleep(0.25)
        return TurnKey(user, HELLO.request_id)


def remembering(known: Recollection, question: str = "我的秘密") -> Remembering:
    messages = (Message(Role.USER, question, 4, "e"), Message(Role.ASSISTANT, "好的", 2, "e"))
    return Remembering("r", Place(), known, messages, AnswerState.COMPLETE, "m")


@pytest.fixture
def here(pool: "asyncpg.Pool[asyncpg.Record]", client: redis.asyncio.Redis) -> Replica:
    return Replica(pool, client, "here")


async def rows_of(pool: "asyncpg.Pool[asyncpg.Record]", user: str) -> dict[str, int]:
    """How many rows each table has of a user, those that only say that they were erased left out."""
    tables = [
        row["table_name"]
        for row in await pool.fetch(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 'chat' AND column_name = 'user_id'"
        )
    ]
    assert {"conversations", "messages", "summaries"} <= set(tables)
    counts = {
        table: await pool.fetchval(f"SELECT count(*) FROM {table} WHERE user_id = $1", user)  # noqa: S608  # as found
        for table in tables
        if table not in ("erased_users", "quarantined_usage")
    }
    return {table: count for table, count in counts.items() if count}


async def keys_of(client: redis.asyncio.Redis, user: str) -> list[bytes]:
    """The keys of Redis with something of a user in them; that a conversation is gone is nothing of theirs."""
    keys = [key async for key in client.scan_iter() if user.encode() in key]
    return [key for key in keys if not key.startswith(b"{chat:hot}") or await client.hget(key, "window") != b"deleted"]


async def test_nothing_is_left_of_a_user_and_all_of_the_others(
    here: Replica, pool: "asyncpg.Pool[asyncpg.Record]", client: redis.asyncio.Redis
) -> None:
    for user in ("usr_a", "usr_ab"):
        for n in range(120):
            await here.conversations.create(user, f"c{n}", "标题")
        await here.talk(user, "c0")
        await here.talk(user, "default")
        await pool.execute("INSERT INTO summaries VALUES ($1, 'default', 2, 'sum', 1, 'e')", user)
        await here.begin(user)
    await here.conversations.delete("usr_a", "c0")
    await here.erasure.erase("usr_a")
    await asyncio.sleep(0.3)
    assert (await rows_of(pool, "usr_a"), await keys_of(client, "usr_a/")) == ({}, [])
    assert "messages" in await rows_of(pool, "usr_ab")
    assert stream(TurnKey("usr_ab", "req_1")).encode() in await keys_of(client, "usr_ab/")
    assert (await here.memory.recall("usr_ab", "default", Place())).messages
    await here.erasure.erase("usr_a")
    await here.registry.drain()
    await here.log.flush()


async def test_a_turn_that_ends_later_brings_nothing_back(
    here: Replica, pool: "asyncpg.Pool[asyncpg.Record]", client: redis.asyncio.Redis
) -> None:
    await here.talk("usr_a", "old")
    known = await here.memory.recall("usr_a", "old", Place())
    await here.erasure.erase("usr_a")
    for conversation, recalled in (("old", known), ("new", Recollection())):
        with pytest.raises(ConversationNotFoundError):
            await here.memory.remember("usr_a", conversation, remembering(recalled))
    with pytest.raises(RequestConflictError):
        await here.conversations.create("usr_a", "made", "标题")
    assert (await rows_of(pool, "usr_a"), await keys_of(client, "usr_a/")) == ({}, [])


async def test_turns_that_end_while_their_user_is_erased_leave_nothing(
    here: Replica, pool: "asyncpg.Pool[asyncpg.Record]", client: redis.asyncio.Redis
) -> None:
    async def talk(n: int) -> None:
        await asyncio.sleep(n * 0.002)
        await here.talk("usr_a", f"c{n % 5}")

    ends = await asyncio.gather(
        *(talk(n) for n in range(30)), asyncio.create_task(here.erasure.erase("usr_a")), return_exceptions=True
    )
    assert not isinstance(ends[-1], BaseException)
    assert {type(end) for end in ends} <= {type(None), ConversationNotFoundError}
    assert await rows_of(pool, "usr_a") == {}


async def test_a_turn_at_another_replica_is_told_to_stop_and_what_it_still_says_is_not_kept(
    here: Replica, pool: "asyncpg.Pool[asyncpg.Record]", client: redis.asyncio.Redis
) -> None:
    there = Replica(pool, client, "there")
    key = await there.begin("usr_a")
    await here.erasure.erase("usr_a")
    assert await client.llen(stops("there")) == 1
    await asyncio.sleep(0.3)
    assert await keys_of(client, "usr_a/") == []
    there.registry.stop_here(key)
    await there.registry.drain()
    await there.log.flush()
    assert await keys_of(client, "usr_a/") == []


async def test_while_redis_is_away_nothing_is_erased_that_could_come_back(
    here: Replica, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    await here.talk("usr_a", "c")
    nowhere = redis.asyncio.Redis(port=free_ports(1)[0], retry=Retry(NoBackoff(), 0))
    hot = HotWindows(nowhere, ttl_s=60, tokens_max=1000)
    with pytest.raises(UnavailableError):
        await ConversationErasure(pool, hot).erase("usr_a")
    assert len((await here.memory.recall("usr_a", "c", Place())).messages) == 2
    await nowhere.aclose()
