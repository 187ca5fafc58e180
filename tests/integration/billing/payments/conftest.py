"""A shop with one provider; when a test ends its books must be sound."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.payment_provider import FakeProvider
from tests.integration.billing.payments.shop import Shop, open_shop
from tests.ledger.books import assert_sound


@pytest.fixture
def database_url(ledger_url: str) -> str:
    """The DSN of a fresh ledger's database, migrated."""
    return ledger_url


@pytest.fixture
def provider() -> FakeProvider:
    """Takes JSAPI and NATIVE payments."""
    return FakeProvider()


@pytest.fixture
async def shop(database_url: str, provider: FakeProvider) -> AsyncIterator[Shop]:
    """One process's payments."""
    async with open_shop(database_url, provider) as shop:
        yield shop
        assert_sound(await shop.books())
