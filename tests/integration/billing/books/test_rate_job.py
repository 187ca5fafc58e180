"""The exchange rate: asked of a service over HTTP, kept in the book, and not used when it is too old."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from services.billing.prices import PriceBook
from services.billing.rates import RateError, RateJob
from services.runtime.errors import UnavailableError
from services.runtime.process import running
from tests.fakes.exchange_rates import RateService, rate_service
from tests.integration.billing.books.conftest import Pool


@pytest.fixture
async def service() -> AsyncIterator[RateService]:
    async with rate_service() as service:
        yield service


@pytest.fixture
async def book(pool: Pool) -> PriceBook:
    book = PriceBook(pool, refresh_s=60)
    await book.refresh()
    return book


async def rates(pool: Pool) -> int:
    count: int = await pool.fetchval("SELECT count(*) FROM exchange_rates")
    return count


async def age(pool: Pool, **span: float) -> None:
    """Let every rate be older."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(
            "UPDATE exchange_rates SET effective_at = effective_at - $1::interval", timedelta(**span)
        )


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
    await age(pool, hours=21)
    await book.refresh()
    await job.refresh()
    await job.refresh()
    assert await rates(pool) == count + 1


@pytest.mark.parametrize(
    "body",
    ['{"base":"USD","rates":{"CNY":7.8101}}', '{"base":"USD","rates":{"CNY":6.3899}}', "x" * 300_000, "sorry"],
)
async def test_a_jump_or_nonsense_leaves_the_old_rate(
    pool: Pool, book: PriceBook, service: RateService, body: str
) -> None:
    service.body = body
    count = await rates(pool)
    with pytest.raises(RateError):
        await RateJob(book, service.url, every_s=60).refresh()
    assert book.rate().cny_micros_per_usd == 7_100_000
    assert await rates(pool) == count


async def test_a_rate_may_move_by_a_tenth(book: PriceBook, service: RateService) -> None:
    service.body = '{"base_code":"USD","rates":{"CNY":7.81}}'
    await RateJob(book, service.url, every_s=60).refresh()
    assert book.rate().cny_micros_per_usd == 7_810_000


async def test_the_job_outlives_a_service_that_fails_and_tells_nobody_its_key(
    book: PriceBook, service: RateService
) -> None:
    service.status = 401
    with capture_logs() as logs:
        async with running(RateJob(book, f"{service.url}?access_key=hush-hush", every_s=0.01).run()):
            while service.asked < 2:
                await asyncio.sleep(0.01)
            service.status = 200
            while book.rate().cny_micros_per_usd != 7_200_000:
                await asyncio.sleep(0.01)
    refused = [line for line in logs if line["event"] == "exchange rate not refreshed"]
    assert refused
    assert refused[0]["status"] == 401
    assert "hush" not in str(logs)


async def test_a_service_that_is_away_is_logged_without_its_url(book: PriceBook, service: RateService) -> None:
    url = "http://127.0.0.1:9/latest?access_key=hush-hush"
    with capture_logs() as logs:
        async with running(RateJob(book, url, every_s=60).run()):
            while not logs:
                await asyncio.sleep(0.01)
    assert logs[0]["error"] == "ConnectError"
    assert "hush" not in str(logs)


async def test_nothing_is_sold_at_a_rate_that_is_too_old(pool: Pool) -> None:
    book = PriceBook(pool, refresh_s=60, stale_after_s=3600)
    await book.refresh()
    assert book.price("gpt-4o").cny_micros_per_usd == 7_100_000
    await age(pool, minutes=61)
    await book.refresh()
    for sell in (lambda: book.price("gpt-4o"), book.rate, book.listed):
        with pytest.raises(UnavailableError, match="exchange rate is older"):
            sell()
    await book.set_rate(7_300_000, "by hand")
    assert book.price("gpt-4o").cny_micros_per_usd == 7_300_000


async def test_without_a_limit_an_old_rate_will_do(pool: Pool) -> None:
    await age(pool, days=365)
    book = PriceBook(pool, refresh_s=60)
    await book.refresh()
    assert book.rate().cny_micros_per_usd == 7_100_000
