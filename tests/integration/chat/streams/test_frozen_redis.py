"""A Redis that neither answers nor goes away: turns that run go on, turns that begin wait a second at most, once."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio

import services.chat
from services.chat.answers.store import TieredAnswerStore
from services.chat.conversations.hot import HotWindows
from services.chat.conversations.memory import StoredMemory
from services.chat.domain import (
    AnswerState,
    Completed,
    Delta,
    Event,
    Failed,
    FinishReason,
    Message,
    Piece,
    Place,
    Question,
    Role,
    Started,
    Usage,
)
from services.chat.ports import Remembering, Show
from services.chat.streams.domain import TurnKey
from services.chat.streams.log import RedisTurnLog
from services.chat.streams.names import stream, turns
from services.chat.streams.recovery import Recovery
from services.chat.streams.registry import TurnRegistry
from services.runtime.postgres import postgres_pool
from services.runtime.process import running
from services.runtime.redis import redis_client
from tests.fakes.turn_scene import HELLO
from tests.frozen import OwnRedis, own_redis

pytestmark = pytest.mark.xdist_group("clock")

DONE = Completed(FinishReason.STOP, Usage(1, 1), 2)


@pytest.fixture
async def server() -> AsyncIterator[OwnRedis]:
    async with own_redis() as server:
        yield server


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    migrations = Path(services.chat.__file__).with_name("migrations")
    async with postgres_pool(database_url, schema="chat", migrations=migrations, connections_max=4) as pool:
        yield pool


class Talk:
    """A turn with all that it asks of Redis: its conversation, a shared answer, and the copy that it leaves."""

    def __init__(self, client: redis.asyncio.Redis, pool: "asyncpg.Pool[asyncpg.Record]", pause_s: float) -> None:
        self._memory = StoredMemory(pool, HotWindows(client, ttl_s=60, tokens_max=1000))
        self._answers = TieredAnswerStore(client, ttl_s=60, local_bytes_max=0)
        self._pause_s = pause_s

    async def run(self, question: Question, show: Show) -> None:
        known = await self._memory.recall("u", "c", Place())
        assert await self._answers.shared("unknown") is None
        show(Started("c", "m", ledger_id=question.request_id), 0)
        for position, letter in enumerate("abcdef", start=1):
            await asyncio.sleep(self._pause_s)
            show(Delta(Piece(letter)), position)
        messages = (Message(Role.USER, "问", 1, "e"), Message(Role.ASSISTANT, "答", 1, "e"))
        await self._memory.remember("u", "c", Remembering("r", Place(), known, messages, AnswerState.COMPLETE, "m"))
        show(DONE, 6)


class Replica:
    """A replica's registry and log."""

    def __init__(self, client: redis.asyncio.Redis, pool: "asyncpg.Pool[asyncpg.Record]", pause_s: float) -> None:
        self.client = client
        self.log = RedisTurnLog(client, replica="a", ttl_s=600)
        self.registry = TurnRegistry(Talk(client, pool, pause_s), self.log, grace_s=10, timeout_s=30)
        self.recovery = Recovery(
            client, self.log, self._close, replica="a", stop=self.registry.stop_here, dead_after_s=5, audit_s=0.4
        )

    async def ask(self, request_id: str) -> tuple[list[Event], float]:
        """The events of a turn, and how long they took."""
        begin = time.monotonic()
        async with aclosing(self.registry.open(replace(HELLO, user_id="u", request_id=request_id), "f")) as entries:
            events = [entry.event async for entry, _ in entries]
        return events, time.monotonic() - begin

    async def _close(self, user_id: str, started: Started, text: str) -> None:
        raise AssertionError("nobody died")


@asynccontextmanager
async def replica(server: OwnRedis, pool: "asyncpg.Pool[asyncpg.Record]", pause_s: float = 0) -> AsyncIterator[Replica]:
    async with redis_client(server.url) as client:
        replica = Replica(client, pool, pause_s)
        async with running(replica.recovery.run()):
            yield replica


def text(events: list[Event]) -> str:
    return "".join(event.piece.text for event in events if isinstance(event, Delta))


async def followed(log: RedisTurnLog, key: TurnKey) -> list[Event]:
    async with aclosing(log.follow(key)) as batches:
        return [entry.event async for batch in batches for entry in batch]


async def test_turns_that_begin_while_redis_is_frozen_wait_a_second_at_most_and_only_the_first(
    server: OwnRedis, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    async with replica(server, pool) as here:
        await here.ask("warm")
        await asyncio.sleep(0.3)
        with server.frozen():
            first = await here.ask("first")
            later = [await here.ask(f"later-{n}") for n in range(5)]
        assert [(text(events), events[-1]) for events, _ in (first, *later)] == [("abcdef", DONE)] * 6
        assert first[1] < 1.6
        assert max(took_s for _, took_s in later) < 0.3


async def test_a_turn_that_runs_when_redis_freezes_is_whole_for_its_listener_and_for_whoever_comes_later(
    server: OwnRedis, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    async with replica(server, pool, pause_s=0.1) as here:
        asking = asyncio.create_task(here.ask("running"))
        await asyncio.sleep(0.25)
        with server.frozen():
            events, took_s = await asking
            await asyncio.sleep(2.5)
        assert (text(events), events[-1]) == ("abcdef", DONE)
        assert took_s < 2.5
        async with asyncio.timeout(5):
            while not await _exists(here, TurnKey("u", "running")):  # it thaws when it does
                await asyncio.sleep(0.02)
            kept = await followed(here.log, TurnKey("u", "running"))
        assert (text(kept), kept[-1]) == ("abcdef", DONE)


async def test_a_claim_that_a_frozen_redis_takes_up_afterwards_leaves_no_log_without_an_end(
    server: OwnRedis, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    async with replica(server, pool) as here:
        key = TurnKey("u", "late")
        # Connections that are open can still send when nobody answers; and scripts that Redis knows run when it thaws.
        await here.ask("early")
        with server.frozen():
            events, _ = await here.ask("late")
        assert events[-1] == DONE
        async with asyncio.timeout(3):
            while not await _exists(here, key):  # it thaws when it does
                await asyncio.sleep(0.02)
        async with asyncio.timeout(5):
            (end,) = await followed(here.log, key)
        assert isinstance(end, Failed)
        assert end.reason == "TURN_LOST"
        assert await here.client.smembers(turns("a", key)) == set()


async def _exists(here: Replica, key: TurnKey) -> bool:
    try:
        return bool(await here.client.exists(stream(key)))
    except redis.exceptions.RedisError:
        return False
