"""Billing killed with SIGKILL again and again while it writes: nothing is lost, nothing happens twice."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TypeVar

import asyncpg
import pytest

from sandbox.ports import free_ports
from services.billing.books.verifier import Verifier
from services.billing.domain import TRIAL, Key, State
from services.runtime.channels import Peer
from services.runtime.errors import Code, ServiceError
from tests.integration.billing.conftest import ledger_pool_of
from tests.integration.billing.streaming import StreamingBilling
from tests.integration.billing.test_billing import Billing
from tests.integration.billing.test_processes import billing_peer, environment
from tests.ledger import forked_billing
from tests.ledger.books import Books, assert_sound
from tests.ledger.postgres import read_books

ResultT = TypeVar("ResultT")

KILLS = 100
# Side by side over one database: starting costs a second of CPU each time, and someone is always being written to.
PROCESSES = 4
CLIENTS = 8
USERS = [f"u{n}" for n in range(6)]
TRIAL_MICROS = 300_000


@dataclass
class Slot:
    """A place where processes of billing live, one after the other."""

    port: int
    clients: list[Billing]
    streaming: StreamingBilling
    # Writes that the process of now has answered.
    answers: int = 0
    kills: int = 0
    survived: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, port: int, peer: Peer) -> "Slot":
        streaming = StreamingBilling(peer)
        return cls(port, [Billing(peer), streaming], streaming)

    async def live_and_die(self, database_url: str, kills: int, chance: random.Random) -> None:
        """Be killed so often while writes are answered, and live on until cancelled."""
        while True:
            process = await asyncio.to_thread(forked_billing.start, self._environment(database_url))
            self.answers = 0
            try:
                async with asyncio.timeout(30):
                    while not self.answers:
                        await asyncio.sleep(0.005)
                await asyncio.sleep(chance.uniform(0, 0.2))
                if self.kills == kills:
                    self.survived.set()
                    await asyncio.Event().wait()
                assert process.is_alive(), "it lives until it is killed"
            finally:
                forked_billing.kill(process)
            self.kills += 1

    def _environment(self, database_url: str) -> dict[str, str]:
        return environment(
            DATABASE_URL=database_url,
            PORT=str(self.port),
            TRIAL_CREDIT_MICROS=str(TRIAL_MICROS),
            SWEEP_EVERY_S="0.5",
            VERIFY_EVERY_S="0",
        )


@dataclass
class Load:
    """Callers that repeat every write, at any process, until it is answered; and what they were answered."""

    slots: list[Slot]
    chance: random.Random
    stopping: bool = False
    repeated: int = 0
    granted: dict[Key, int] = field(default_factory=dict)
    charged: dict[Key, int] = field(default_factory=dict)
    released: set[Key] = field(default_factory=set)
    abandoned: set[Key] = field(default_factory=set)
    voided: set[Key] = field(default_factory=set)
    refused: set[Key] = field(default_factory=set)

    async def run(self, name: int) -> None:
        number = 0
        while not self.stopping:
            number += 1
            user, request = self.chance.choice(USERS), f"c{name}-{number}"
            if number % 10 == 0:
                await self._grant(user, request)
            elif number % 10 < 4:
                await self._hit(user, request)
            else:
                await self._turn(user, request)

    async def answered(self, ask: Callable[[Billing], Awaitable[ResultT]]) -> ResultT:
        return await self._answered(lambda slot: ask(self.chance.choice(slot.clients)))

    async def _answered(self, ask: Callable[[Slot], Awaitable[ResultT]]) -> ResultT:
        while True:
            slot = self.chance.choice(self.slots)
            try:
                answer = await ask(slot)
            except ServiceError as error:
                if error.wire_code is not Code.UNAVAILABLE:
                    raise
                self.repeated += 1
                await asyncio.sleep(0.02)
            else:
                slot.answers += 1
                return answer

    async def _grant(self, user: str, request: str) -> None:
        micros = self.chance.randrange(1, 50_000)
        await self.answered(lambda client: client.grant(micros, request, user))
        self.granted[user, request] = micros

    async def _hit(self, user: str, request: str) -> None:
        tokens, voids = self.chance.randrange(1, 2_000), self.chance.random() < 0.3
        try:
            charged = await self._answered(lambda slot: slot.streaming.charge(request, tokens, user))
        except ServiceError as error:
            if error.wire_reason != "INSUFFICIENT_QUOTA":
                raise
            self.refused.add((user, request))
            return
        if voids:
            await self._answered(lambda slot: slot.streaming.void(request, tokens, user))
            self.voided.add((user, request))
        else:
            self.charged[user, request] = charged

    async def _turn(self, user: str, request: str) -> None:
        ending = self.chance.choice(["settle", "settle", "release", "abandon"])
        tokens = self.chance.randrange(1, 2_000)
        ttl_s = 1 if ending == "abandon" else 900
        try:
            await self.answered(lambda client: client.reserve(request, user, tokens, ttl_s=ttl_s))
        except ServiceError as error:
            if error.wire_reason != "INSUFFICIENT_QUOTA":
                raise
            self.refused.add((user, request))
            return
        if ending == "settle":
            used = self.chance.randrange(1, tokens + 1)
            self.charged[user, request] = await self.answered(lambda client: client.settle(request, used, user))
        elif ending == "release":
            await self.answered(lambda client: client.release(request, user))
            self.released.add((user, request))
        else:
            self.abandoned.add((user, request))


@pytest.mark.timeout(400)
async def test_billing_killed_a_hundred_times_under_load_loses_nothing_and_does_nothing_twice(
    database_url: str,
) -> None:
    chance = random.Random()  # noqa: S311  # any moment to be killed at will do
    async with AsyncExitStack() as stack:
        slots = [
            Slot.of(port, await stack.enter_async_context(billing_peer(f"127.0.0.1:{port}")))
            for port in free_ports(PROCESSES)
        ]
        load = Load(slots, chance)
        async with asyncio.TaskGroup() as group:
            lives = [group.create_task(slot.live_and_die(database_url, KILLS // PROCESSES, chance)) for slot in slots]
            for user in USERS:
                await load.answered(lambda client, user=user: client.open(user))  # type: ignore[misc]  # bound in time
            asking = [group.create_task(load.run(name)) for name in range(CLIENTS)]
            await asyncio.gather(*(slot.survived.wait() for slot in slots))
            load.stopping = True
            await asyncio.gather(*asking)
            books = await swept(database_url)
            for life in lives:
                life.cancel()
    assert sum(slot.kills for slot in slots) == KILLS
    # How many kills meet a write depends on how busy the machine is.
    assert load.repeated > KILLS // 10, "writes were under way when it was killed"
    assert_everything_was_done_once(load, books)
    async with ledger_pool_of(database_url) as pool:
        verification = await Verifier(pool).verify()
    assert verification is not None
    assert verification.findings == ()


async def swept(database_url: str) -> Books:
    """The books, when nothing is reserved any more."""
    connection = await asyncpg.connect(database_url)
    try:
        async with asyncio.timeout(20):
            while await connection.fetchval("SELECT count(*) FROM billing.reservations WHERE state = 'reserved'"):
                await asyncio.sleep(0.1)
        return await read_books(connection)
    finally:
        await connection.close()


def assert_everything_was_done_once(load: Load, books: Books) -> None:
    """What was answered is there, once; what was refused or never asked is not."""
    assert_sound(books)
    states = {key: turn.state for key, turn in books.reservations.items()}
    assert {key for key, state in states.items() if state is State.SETTLED} == set(load.charged)
    assert {key for key, state in states.items() if state is State.RELEASED} == load.released
    assert {key for key, state in states.items() if state is State.EXPIRED} == load.abandoned
    assert {key for key, state in states.items() if state is State.REVERSED} == load.voided
    assert not load.refused & set(states)
    assert {key: books.reservations[key].charged for key in load.charged} == load.charged
    given = {key: grant.amount for key, grant in books.grants.items() if key[1] != TRIAL}
    assert given == load.granted
    expected = defaultdict(int, dict.fromkeys(USERS, TRIAL_MICROS))
    for (user, _), micros in load.granted.items():
        expected[user] += micros
    for (user, _), micros in load.charged.items():
        expected[user] -= micros
    assert {user: (wallet.balance, wallet.reserved) for user, wallet in books.wallets.items()} == {
        user: (micros, 0) for user, micros in expected.items()
    }
