"""A migrated ledger, for tests that go below the service."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from services.billing import sql
from services.runtime.postgres import postgres_pool
from tests.ledger.postgres import Pool
from tests.postgres_servers import database_of_its_own


@pytest.fixture(scope="session")
async def ledger_template(postgres_url: str) -> AsyncIterator[str]:
    """The name of a migrated, empty ledger's database: to copy it costs a third of migrating another."""
    async with database_of_its_own(postgres_url) as url:
        async with ledger_pool_of(url):
            pass
        yield url.rsplit("/", 1)[1]


@pytest.fixture
async def ledger_url(postgres_url: str, ledger_template: str) -> AsyncIterator[str]:
    """The DSN of a fresh ledger's database, migrated; `database_url` is one that nobody has migrated yet."""
    async with database_of_its_own(postgres_url, ledger_template) as url:
        yield url


@pytest.fixture
async def ledger_pool(ledger_url: str) -> AsyncIterator[Pool]:
    """A pool of a fresh ledger's database."""
    async with ledger_pool_of(ledger_url) as pool:
        yield pool


def ledger_pool_of(database_url: str) -> AbstractAsyncContextManager[Pool]:
    """Migrate, and connect."""
    migrations = Path(sql.__file__).with_name("migrations")
    return postgres_pool(database_url, schema="billing", migrations=migrations, connections_max=8)
