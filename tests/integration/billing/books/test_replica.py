"""Books that are read from a real replica: the ledger is not asked for them, and while it is away only they are."""

import asyncio
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from services.billing import sql
from services.billing.books.costs import CostReader
from services.billing.books.statement import StatementReader
from services.billing.errors import ReservationNotFoundError
from services.billing.operations import OpenWallet
from services.billing.store import PostgresLedger
from services.runtime.errors import UnavailableError
from services.runtime.postgres import postgres_pool, postgres_reader
from tests.postgres_servers import replicated

MIGRATIONS = Path(sql.__file__).with_name("migrations")
NOW = datetime.now(UTC)


async def test_statements_come_from_the_replica_when_it_has_them_and_the_ledger_needs_it_for_nothing() -> None:
    async with AsyncExitStack() as stack:
        primary, replica, following = await stack.enter_async_context(replicated())
        ledger = await stack.enter_async_context(
            postgres_pool(primary, schema="billing", migrations=MIGRATIONS, connections_max=2)
        )
        books = await stack.enter_async_context(postgres_reader(replica, schema="billing", connections_max=2))
        reader = StatementReader(books, ledger=ledger)
        await PostgresLedger(ledger).apply([OpenWallet("ann", 700)], NOW)
        async with asyncio.timeout(5):
            # As old as it lags behind.
            while not (lines := await _lines(reader)):
                await asyncio.sleep(0.02)
        assert lines == [700]
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await books.execute("DELETE FROM wallets")

        # One that has stopped to follow shows what it has.
        await books.execute("SELECT pg_wal_replay_pause()")
        await PostgresLedger(ledger).apply([OpenWallet("bo", 300)], NOW)
        assert await reader.transactions("bo", limit=5) == []
        await books.execute("SELECT pg_wal_replay_resume()")

        await following.stop(grace_s=5)
        for asked in (reader.transactions("ann", limit=5), CostReader(books).costs(NOW, NOW)):
            with pytest.raises(UnavailableError):
                await asked
        # A receipt is the ledger's, and turns go on.
        with pytest.raises(ReservationNotFoundError):
            await reader.receipt("ann", "unknown")
        await PostgresLedger(ledger).apply([OpenWallet("cy", 300)], NOW)


async def _lines(reader: StatementReader) -> list[int]:
    with suppress(UnavailableError):
        return [line.amount for line in await reader.transactions("ann", limit=5)]
    return []
