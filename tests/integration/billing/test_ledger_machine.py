"""The ledger in every order that hypothesis finds, by two stores in turn on PostgreSQL, beside the one in memory."""

import asyncio
import secrets
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from services.billing import sql
from services.billing.operations import Operation
from services.billing.payments.domain import Order
from services.billing.payments.store import PaymentStore
from services.billing.ports import StoreError
from services.billing.store import PostgresLedger
from services.runtime.postgres import migrate
from tests.ledger.books import Books
from tests.ledger.crash import crashing, prepare_crashes
from tests.ledger.machine import LedgerMachine, Outcomes
from tests.ledger.postgres import read_books

ResultT = TypeVar("ResultT")


@dataclass
class Real:
    """A database of one example, and two ledgers over it."""

    name: str
    reader: "asyncpg.Connection[asyncpg.Record]"
    pools: "list[asyncpg.Pool[asyncpg.Record]]"
    turn: int = 0

    @property
    def pool(self) -> "asyncpg.Pool[asyncpg.Record]":
        """The other process's, each time."""
        self.turn += 1
        return self.pools[self.turn % 2]

    async def write(self, batch: Sequence[Operation], machine: LedgerMachine) -> Outcomes:
        return await PostgresLedger(self.pool).apply(batch, machine.now)

    async def lose(self, batch: Sequence[Operation], machine: LedgerMachine) -> None:
        async with crashing(self.reader, "commit"):
            book, _ = machine.store.decided(batch, machine.now)
            # Nobody dies who has nothing to write.
            if book.changed_wallets or book.changed_orders or book.changed_refunds:
                with pytest.raises(StoreError) as caught:
                    await self.write(batch, machine)
                assert not caught.value.alone
            else:
                await self.write(batch, machine)

    async def put_order(self, order: Order) -> None:
        assert await PaymentStore(self.pool).add_order(order, waiting_max=99) == order

    async def close_order(self, order: Order) -> None:
        async with self.pool.acquire() as connection:
            await connection.execute("UPDATE orders SET state = 'closed' WHERE out_trade_no = $1", order.out_trade_no)

    async def close(self) -> None:
        for pool in self.pools:
            await pool.close()
        await self.reader.close()


class Databases:
    """Makes a database for every example, from one that was migrated."""

    def __init__(self, database_url: str, loop: asyncio.AbstractEventLoop) -> None:
        self._server, self._template = database_url.rsplit("/", 1)
        self._loop = loop

    def run(self, work: Awaitable[ResultT]) -> ResultT:
        """Run on the session's event loop, from hypothesis' thread."""

        async def awaited() -> ResultT:
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result()

    async def prepare(self) -> None:
        connection = await asyncpg.connect(f"{self._server}/{self._template}")
        await connection.execute('CREATE SCHEMA billing; SET search_path = "billing"')
        await migrate(connection, schema="billing", migrations=Path(sql.__file__).with_name("migrations"))
        await prepare_crashes(connection)
        await connection.close()

    async def create(self) -> Real:
        name = f"{self._template}_{secrets.token_hex(4)}"
        await self._admin(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        url = f"{self._server}/{name}"
        pools = [await _one_connection(url) for _ in range(2)]
        return Real(name, await asyncpg.connect(url), pools)

    async def drop(self, real: Real) -> None:
        await real.close()
        await self._admin(f"DROP DATABASE {real.name} WITH (FORCE)")

    async def _admin(self, statement: str) -> None:
        connection = await asyncpg.connect(f"{self._server}/postgres")
        await connection.execute(statement)
        await connection.close()


class PostgresMachine(LedgerMachine):
    """Does everything twice, and demands the same answers and the same books."""

    def __init__(self, databases: Databases) -> None:
        super().__init__()
        self._run = databases.run
        self._databases = databases
        self._real = self._run(databases.create())

    def write(self, batch: Sequence[Operation]) -> Outcomes:
        expected = super().write(batch)
        outcomes = self._run(self._real.write(batch, self))
        assert list(map(_said, outcomes)) == list(map(_said, expected))
        return outcomes

    def lose(self, batch: Sequence[Operation]) -> None:
        self._run(self._real.lose(batch, self))

    def put_order(self, order: Order) -> None:
        super().put_order(order)
        self._run(self._real.put_order(order))

    def close_order(self, order: Order) -> None:
        super().close_order(order)
        self._run(self._real.close_order(order))

    def books(self) -> Books:
        real = self._run(read_books(self._real.reader))
        assert real == super().books()
        return real

    def teardown(self) -> None:
        self._run(self._databases.drop(self._real))


async def _one_connection(url: str) -> "asyncpg.Pool[asyncpg.Record]":
    return await asyncpg.create_pool(url, min_size=1, max_size=1, server_settings={"search_path": "billing"})


def _said(outcome: object) -> object:
    return (type(outcome), str(outcome)) if isinstance(outcome, Exception) else outcome


# A failure takes minutes to be shrunk to its shortest history.
@pytest.mark.timeout(600)
async def test_postgres_keeps_the_same_books_as_the_rules_in_memory(database_url: str) -> None:
    databases = Databases(database_url, asyncio.get_running_loop())
    await databases.prepare()
    await asyncio.to_thread(
        run_state_machine_as_test,
        lambda: PostgresMachine(databases),  # type: ignore[arg-type]  # a factory will do, as its documentation says
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
