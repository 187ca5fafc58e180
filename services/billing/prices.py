"""The price book: what models cost and what a dollar costs, read from the database now and then, never in a request."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog
from prometheus_client import CollectorRegistry, Gauge

from services.billing import sql
from services.billing.errors import ModelNotPricedError
from services.billing.pricing import Price
from services.runtime.errors import StartupError, UnavailableError
from services.runtime.postgres import FAILED

# The price of every model that has none of its own.
_ANY = "*"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """What a dollar costs, in micro-yuan, who says so, and since when."""

    cny_micros_per_usd: int
    source: str
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class ListedPrice:
    """What a model costs, and since when."""

    model: str
    price: Price
    effective_at: datetime


class PriceBook:
    """The ports `Prices` and `ExchangeRates`."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        *,
        refresh_s: float,
        stale_after_s: float = 0,
        registry: CollectorRegistry | None = None,
    ) -> None:
        """Read from this pool every `refresh_s` seconds.

        Args:
            pool: Where the book is kept.
            refresh_s: How long a change takes to be seen, at most.
            stale_after_s: A rate that is older is not used; 0: any is.
            registry: Where the rate's age is reported.
        """
        self._pool = pool
        self._refresh_s = refresh_s
        self._stale_after = timedelta(seconds=stale_after_s) if stale_after_s else None
        self._listed: dict[str, ListedPrice] = {}
        self._rate: ExchangeRate | None = None
        if registry is not None:
            age = Gauge("queqiao_exchange_rate_age_seconds", "Age of the exchange rate in use.", registry=registry)
            age.set_function(self._age_s)

    def price(self, model: str) -> Price:
        """What a model costs now.

        Raises:
            ModelNotPricedError: It has no price, and there is none for models without one.
            UnavailableError: The exchange rate is too old.
        """
        self.rate()
        listed = self._listed.get(model) or self._listed.get(_ANY)
        if listed is None:
            raise ModelNotPricedError(
                f"The model {model} has no price: add one with `queqiao prices set --model {model} …`.",
                metadata={"model": model},
            )
        return listed.price

    def rate(self) -> ExchangeRate:
        """What a dollar costs now.

        Raises:
            UnavailableError: The rate is older than it may be.
        """
        rate = self._rate
        if rate is None:
            raise UnavailableError("There is no exchange rate: set one with `queqiao prices rate`.")
        if self._stale_after is not None and datetime.now(UTC) - rate.effective_at > self._stale_after:
            raise UnavailableError(
                "The exchange rate is older than it may be: see why it is not refreshed, or set one with "
                "`queqiao prices rate`."
            )
        return rate

    def last_rate(self) -> ExchangeRate | None:
        """The last rate, however old."""
        return self._rate

    def listed(self) -> list[ListedPrice]:
        """Every price, by model.

        Raises:
            UnavailableError: The rate is older than it may be.
        """
        self.rate()
        return [self._listed[model] for model in sorted(self._listed)]

    async def refresh(self) -> None:
        """Read the whole book.

        Raises:
            StartupError: There is no exchange rate.
        """
        row = await self._pool.fetchrow(sql.DOLLAR)
        if row is None:
            raise StartupError("The price book has no exchange rate: add a row to billing.exchange_rates.")
        rate = ExchangeRate(row["cny_micros_per_unit"], row["source"], row["effective_at"])
        found = await self._pool.fetch(sql.PRICES)
        self._listed = {row["model"]: _listed(row, rate) for row in found}
        self._rate = rate

    async def keep_fresh(self) -> None:
        """Read again and again; run it as a task and cancel it."""
        while True:
            await asyncio.sleep(self._refresh_s)
            try:
                await self.refresh()
            except (*FAILED, StartupError) as error:
                log.warning("prices not refreshed", error=type(error).__name__)

    async def set_price(self, listed: ListedPrice, source: str) -> None:
        """Append a price; it holds for turns that begin after it.

        Raises:
            UnavailableError: The database does not answer.
        """
        price = listed.price
        with _answering():
            await self._pool.execute(
                sql.ADD_PRICE,
                *(listed.model, price.input_usd_micros, price.cached_input_usd_micros, price.output_usd_micros),
                *(price.markup_basis_points, price.own_model, source, listed.effective_at),
            )
            await self.refresh()

    async def set_rate(self, cny_micros_per_usd: int, source: str) -> None:
        """Append an exchange rate, which holds from now on.

        Raises:
            UnavailableError: The database does not answer.
        """
        with _answering():
            await self._pool.execute(sql.ADD_RATE, cny_micros_per_usd, source)
            await self.refresh()

    def _age_s(self) -> float:
        return (datetime.now(UTC) - self._rate.effective_at).total_seconds() if self._rate else 0.0


def _listed(row: asyncpg.Record, rate: ExchangeRate) -> ListedPrice:
    price = Price(
        row["input_usd_micros"],
        row["cached_input_usd_micros"],
        row["output_usd_micros"],
        row["markup_basis_points"],
        rate.cny_micros_per_usd,
        row["own_model"],
    )
    return ListedPrice(row["model"], price, row["effective_at"])


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except FAILED:
        raise UnavailableError("The price book does not answer; try again shortly.", retry_after_s=1) from None
