"""The exchange rate: asked of a service over HTTP, kept in the book, and not used when it is too old."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiohttp import web

from services.billing.prices import PriceBook
from services.billing.rates import RateError, RateJob
from services.runtime.errors import UnavailableError
from tests.integration.billing.books.conftest import Pool


@dataclass
class RateService:
    """Says what it is told to say."""

    url: str = ""
    body: str = '{"base":"USD","rates":{"CNY":7.2}}'
    status: int = 200

    async def answer(self, request: web.Request) -> web.Response:
        return web.Response(text=self.body, status=self.status)


@pytest.fixture
async def service() -> AsyncIterator[RateService]:
    service = RateService()
    app = web.Application()
    app.router.add_get("/latest", service.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}/latest"
    yield service
    await runner.cleanup()


@pytest.fixture
async def book(pool: Pool) -> PriceBook:
    book = PriceBook(pool, refresh_s=60)
    await book.refresh()
    return book


async def rates(pool: Pool) -> int:
    count: int = await pool.fetchval("SELECT count(*) FROM exchange_rates")
    return count


async def test_a_new_rate_is_appended_with_its_source_and_used_at_once(
    pool: Pool, book: PriceBook, service: RateService
) -> None:
    before = book.price("gpt-4o")
    await RateJob(book, service.url, every_s=60).refresh()
    rate = book.rate()
    assert (rate.cny_micros_per_usd, rate.source) == (7_200_000, "127.0.0.1")
    assert book.price("gpt-4o").cny_micros_per_usd == 7_200_000
    # A turn that was reserved keeps the price it was given.
    assert before.cny_micros_per_usd == 7_100_000


async def test_an_unchanged_rate_is_confirmed_once_a_day_and_not_each_time(
    pool: Pool, book: PriceBook, service: RateService
) -> None:
    job = RateJob(book, service.url, every_s=60)
    await job.refresh()
    count = await rates(pool)
    await job.refresh()
    assert await rates(pool) == count
    await pool.execute(
        "INSERT INTO exchange_rates (currency, cny_micros_per_unit, source, effective_at)"
        " VALUES ('USD', 7200000, 'later', now())"
    )
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("UPDATE exchange_rates SET effective_at = effective_at - interval '21 hours'")
    await book.refresh()
    await job.refresh()
    assert await rates(pool) == count + 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"base":"USD","rates":{"CNY":8.0}}', 200),
        ('{"base":"USD","rates":{"CNY":6.0}}', 200),
        ("x" * 300_000, 200),
    ],
)
async def test_a_jump_or_nonsense_leaves_the_old_rate(
    pool: Pool, book: PriceBook, service: RateService, body: str, status: int
) -> None:
    service.body, service.status = body, status
    with pytest.raises(RateError):
        await RateJob(book, service.url, every_s=60).refresh()
    assert book.rate().cny_micros_per_usd == 7_100_000


async def test_nothing_is_sold_at_a_rate_that_is_too_old(pool: Pool) -> None:
    book = PriceBook(pool, refresh_s=60, stale_after_s=3600)
    await book.refresh()
    assert book.price("gpt-4o").cny_micros_per_usd == 7_100_000
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("UPDATE exchange_rates SET effective_at = now() - interval '61 minutes'")
    await book.refresh()
    for sell in (lambda: book.price("gpt-4o"), book.rate, book.listed):
        with pytest.raises(UnavailableError, match="exchange rate is older"):
            sell()
    await book.set_rate(7_300_000, "by hand")
    assert book.price("gpt-4o").cny_micros_per_usd == 7_300_000
