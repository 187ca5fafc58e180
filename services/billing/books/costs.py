"""What questions cost us: on request, and as a running figure.

    cost per thousand questions = provider cost × 1,000 ÷ questions

Provider cost is what the answered turns cost at the providers' list prices and at the exchange rate of each turn;
questions are all charged turns, those too that the answer cache or a model of our own answered, which cost nothing.
"""

import asyncio
import math
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog
from prometheus_client import CollectorRegistry, Gauge

from services.billing.books import sql
from services.billing.books.domain import Costs
from services.billing.money import MICROS_PER_YUAN
from services.runtime.errors import UnavailableError
from services.runtime.postgres import FAILED

_WINDOW = timedelta(hours=24)
_EVERY_S = 60.0

log = structlog.get_logger()


class CostReader:
    """Adds costs up."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Read from this pool."""
        self._pool = pool

    async def costs(self, start: datetime, end: datetime) -> Costs:
        """What the questions cost that ended in a span of time.

        Raises:
            UnavailableError: The database does not answer.
        """
        try:
            row = await self._pool.fetchrow(sql.COSTS, start, end)
        except FAILED:
            raise UnavailableError("The ledger does not answer; try again shortly.", retry_after_s=1) from None
        return Costs(**{name: int(value) for name, value in row.items()}) if row else Costs()


class CostGauge:
    """Exports the figure over the last 24 hours. Every replica says the same: take the maximum, not the sum."""

    def __init__(self, reader: CostReader, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self._reader = reader
        self._per_thousand = Gauge(
            "queqiao_cost_per_thousand_questions_cny",
            "Provider cost in yuan × 1,000 ÷ questions, over the last 24 hours.",
            registry=registry,
        )
        self._questions = Gauge(
            "queqiao_questions_24h",
            "Charged turns of the last 24 hours by who answered them.",
            ["source"],
            registry=registry,
        )

    async def run(self) -> None:
        """Read again and again; run it as a task and cancel it."""
        while True:
            now = datetime.now(UTC)
            try:
                self._set(await self._reader.costs(now - _WINDOW, now))
            except UnavailableError:
                # An old figure would look like a true one.
                self._per_thousand.set(math.nan)
                log.warning("costs not read")
            await asyncio.sleep(_EVERY_S)

    def _set(self, costs: Costs) -> None:
        # A gauge is for people to look at; no money is computed from it.
        self._per_thousand.set(costs.per_thousand / MICROS_PER_YUAN)
        own, cached = costs.own_model_questions, costs.cached_questions
        self._questions.labels("cache").set(cached)
        self._questions.labels("own_model").set(own)
        self._questions.labels("provider").set(costs.questions - own - cached)
