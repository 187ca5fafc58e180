"""A migrated ledger, for tests that go below the service."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from services.billing import sql
from services.runtime.postgres import postgres_pool
from tests.ledger.postgres import Pool


@pytest.fixture
async def ledger_pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool of a fresh ledger's database."""
    async with ledger_pool_of(database_url) as pool:
        yield pool


def ledger_pool_of(database_url: str) -> AbstractAsyncContextManager[Pool]:
    """Migrate, and connect."""
    migrations = Path(sql.__file__).with_name("migrations")
    return postgres_pool(database_url, schema="billing", migrations=migrations, connections_max=8)
