"""Behind a real PgBouncer, which lends a connection for one transaction: two replicas share three of them."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from services.billing import sql
from services.billing.books.statement import StatementReader
from services.billing.books.verifier import Verifier
from services.billing.operations import GrantCredit, OpenWallet, Operation, Result
from services.billing.store import PostgresLedger
from services.cli.migrate import migrate
from services.runtime.errors import StartupError
from services.runtime.postgres import postgres_pool, postgres_reader
from tests.ledger.postgres import Pool
from tests.postgres_servers import Pooler, pgbouncer, role_of_its_own

MIGRATIONS = Path(sql.__file__).with_name("migrations")


@pytest.fixture
async def behind(postgres_url: str) -> AsyncIterator[str]:
    """A service's own role and database, before anybody set them up."""
    async with role_of_its_own(postgres_url, f"shop_{secrets.token_hex(4)}") as url:
        yield url


@pytest.fixture
async def pooler(behind: str) -> AsyncIterator[Pooler]:
    async with pgbouncer(behind, connections=3) as pooler:
        yield pooler


@asynccontextmanager
async def replica(url: str) -> AsyncIterator[Pool]:
    async with postgres_pool(url, schema="billing", migrations=MIGRATIONS, connections_max=6, pooled=True) as pool:
        yield pool


async def test_what_a_connection_cannot_bring_along_is_asked_of_the_role_and_then_replicas_share_connections(
    behind: str, pooler: Pooler, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = pooler.url(behind)
    with pytest.raises(StartupError, match="settings of billing are its role's") as refused:
        async with replica(url):
            pass
    owner = await asyncpg.connect(behind)
    # What it says is what to do.
    for statement in re.findall(r"ALTER ROLE [^;]+;", str(refused.value)):
        await owner.execute(statement)
    await owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND usename = current_user"
    )
    # Its migrations go the same way.
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("DATABASE_POOLED", "true")
    assert "0001" in (await asyncio.to_thread(migrate, "billing"))[0]
    async with replica(url) as here, replica(url) as there:
        ledgers = [PostgresLedger(here), PostgresLedger(there)]

        async def write(number: int) -> None:
            user, now = f"user-{number}", datetime.now(UTC)
            operations: list[Operation] = [OpenWallet(user, 1000), GrantCredit(user, f"r{number}", 500, "test")]
            outcomes = await ledgers[number % 2].apply(operations, now)
            assert all(isinstance(outcome, Result) for outcome in outcomes), outcomes

        async def look(number: int) -> None:
            # More than what was written by one and before, whoever asks by whichever connection.
            await Verifier((here, there)[number % 2]).verify()

        await asyncio.gather(*(write(number) for number in range(60)), *(look(number) for number in range(6)))
        connections = await owner.fetchval("SELECT count(*) FROM pg_stat_activity WHERE usename = current_user") - 1
        assert 0 < connections <= 3
        found = await Verifier(there).verify()
        assert (found.wallets, found.findings) == (60, ())
        async with postgres_reader(url, schema="billing", connections_max=2, pooled=True) as books:
            lines = await StatementReader(books).transactions("user-59", limit=5)
            assert [line.amount for line in lines] == [500, 1000]
    await owner.close()
