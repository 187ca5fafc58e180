"""The price book: append-only rows, of which the newest that has begun holds."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from services.billing.errors import ModelNotPricedError
from services.billing.prices import ListedPrice, PriceBook
from services.billing.pricing import Price
from services.runtime.errors import UnavailableError
from tests.integration.billing.books.conftest import Pool


@pytest.fixture
async def book(pool: Pool) -> PriceBook:
    book = PriceBook(pool, refresh_s=60)
    await book.refresh()
    return book


def listed(model: str, output_usd_micros: int, *, begins_in_s: float = 0, own_model: bool = False) -> ListedPrice:
    price = Price(1_000_000, 500_000, output_usd_micros, 2_000, 0, own_model)
    return ListedPrice(model, price, datetime.now(UTC) + timedelta(seconds=begins_in_s))


async def test_a_price_holds_at_once_at_the_rate_of_the_book(book: PriceBook) -> None:
    await book.set_price(listed("mine", 4_000_000, begins_in_s=-1, own_model=True), "our own page")
    price = book.price("mine")
    assert price == Price(1_000_000, 500_000, 4_000_000, 2_000, 7_100_000, own_model=True)


async def test_a_price_of_the_future_waits_for_its_time(pool: Pool, book: PriceBook) -> None:
    await book.set_price(listed("gpt-4o", 1, begins_in_s=3600), "announced")
    assert book.price("gpt-4o").output_usd_micros == 10_000_000
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("UPDATE prices SET effective_at = now() WHERE source = 'announced'")
    await book.refresh()
    assert book.price("gpt-4o").output_usd_micros == 1


async def test_of_two_prices_of_a_moment_the_later_row_holds(book: PriceBook) -> None:
    moment = listed("m", 5, begins_in_s=-1)
    await book.set_price(moment, "wrong")
    await book.set_price(ListedPrice("m", listed("m", 6).price, moment.effective_at), "corrected")
    assert book.price("m").output_usd_micros == 6


async def test_a_model_without_a_price_has_the_price_of_any(pool: Pool, book: PriceBook) -> None:
    assert book.price("never-heard-of") == book.price("*")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("DELETE FROM prices WHERE model = '*'")
    await book.refresh()
    with pytest.raises(ModelNotPricedError, match="queqiao prices set --model never-heard-of"):
        book.price("never-heard-of")


async def test_prices_are_listed_by_model_once_each(book: PriceBook) -> None:
    await book.set_price(listed("gpt-4o", 7, begins_in_s=-1), "again")
    models = [one.model for one in book.listed()]
    assert models == sorted(set(models))
    assert {"*", "gpt-4o", "smollm2-135m-instruct"} <= set(models)


@pytest.mark.parametrize("table", ["prices", "exchange_rates"])
@pytest.mark.parametrize("change", ["UPDATE {} SET source = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
async def test_what_was_charged_once_is_never_changed(pool: Pool, table: str, change: str) -> None:
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await pool.execute(change.format(table))


async def test_the_age_of_the_rate_is_a_metric(pool: Pool) -> None:
    registry = CollectorRegistry()
    book = PriceBook(pool, refresh_s=60, registry=registry)
    await book.refresh()
    before = registry.get_sample_value("queqiao_exchange_rate_age_seconds")
    assert before is not None
    assert 0 <= before < 300
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("UPDATE exchange_rates SET effective_at = effective_at - interval '1 hour'")
    await book.refresh()
    after = registry.get_sample_value("queqiao_exchange_rate_age_seconds")
    assert after is not None
    assert after - before >= 3600


async def test_a_database_that_is_away_is_said_to_be(pool: Pool, book: PriceBook) -> None:
    await pool.close()
    with pytest.raises(UnavailableError):
        await book.set_rate(7_300_000, "by hand")
    with pytest.raises(UnavailableError):
        await book.set_price(listed("m", 1), "by hand")
    # Turns go on at the prices that were read.
    assert book.price("gpt-4o").cny_micros_per_usd == 7_100_000
