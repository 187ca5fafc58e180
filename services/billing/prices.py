"""The price book, read from the database now and then and never in a request."""

import asyncio

import asyncpg
import structlog

from services.billing import sql
from services.billing.pricing import Price
from services.runtime.errors import StartupError, UnavailableError

# The price of every model that has none of its own.
_ANY = "*"

log = structlog.get_logger()


class PriceBook:
    """The port `Prices`."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", *, refresh_s: float) -> None:
        """Read from this pool every `refresh_s` seconds."""
        self._pool = pool
        self._refresh_s = refresh_s
        self._prices: dict[str, Price] = {}

    def price(self, model: str) -> Price:
        """What a model costs now.

        Raises:
            UnavailableError: It has no price, and there is none for models without one.
        """
        price = self._prices.get(model) or self._prices.get(_ANY)
        if price is None:
            raise UnavailableError("This model has no price yet.", metadata={"model": model})
        return price

    async def refresh(self) -> None:
        """Read the whole book.

        Raises:
            StartupError: There is no exchange rate.
        """
        rate = await self._pool.fetchval(sql.DOLLAR)
        if rate is None:
            raise StartupError("The price book has no exchange rate: add a row to billing.exchange_rates.")
        self._prices = {
            row["model"]: Price(
                row["input_usd_micros"],
                row["cached_input_usd_micros"],
                row["output_usd_micros"],
                row["markup_basis_points"],
                rate,
                row["own_model"],
            )
            for row in await self._pool.fetch(sql.PRICES)
        }

    async def keep_fresh(self) -> None:
        """Read again and again; run it as a task and cancel it."""
        while True:
            await asyncio.sleep(self._refresh_s)
            try:
                await self.refresh()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError, StartupError) as error:
                log.warning("prices not refreshed", error=type(error).__name__)
