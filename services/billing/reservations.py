"""What an operator asks about reservations: how many are open, what they hold, and how many nobody closed."""

import asyncio
import math

import asyncpg
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.billing import sql
from services.runtime.postgres import FAILED

_EVERY_S = 15.0

log = structlog.get_logger()


class ReservationMetrics:
    """Metrics of reservations. Every replica says the same of those that are open: take the maximum, not the sum."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self.open = Gauge("queqiao_reservations_open", "Reservations that are open now.", registry=registry)
        self.overdue = Gauge(
            "queqiao_reservations_overdue", "Open reservations whose time is over, to be swept.", registry=registry
        )
        self.held_micros = Gauge(
            "queqiao_reservations_open_micro_yuan", "What open reservations hold of wallets.", registry=registry
        )
        self.oldest_age_seconds = Gauge(
            "queqiao_reservations_oldest_age_seconds",
            "Age of the oldest open reservation; 0 without one.",
            registry=registry,
        )
        self.expired = Counter(
            "queqiao_reservations_expired",
            "Reservations that nobody closed and the sweeper of this replica released.",
            registry=registry,
        )


class ReservationGauge:
    """Looks at the open reservations now and then."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", metrics: ReservationMetrics) -> None:
        """Read from this pool."""
        self._pool = pool
        self._metrics = metrics

    async def run(self) -> None:
        """Look again and again; run it as a task and cancel it."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> None:
        """Look once."""
        try:
            row = await self._pool.fetchrow(sql.OPEN_RESERVATIONS)
        except FAILED as error:
            log.warning("reservations not counted", error=type(error).__name__)
            row = None
        for gauge, column in (
            (self._metrics.open, "open"),
            (self._metrics.overdue, "overdue"),
            (self._metrics.held_micros, "held"),
            (self._metrics.oldest_age_seconds, "oldest_age_s"),
        ):
            # An old figure would look like a true one.
            gauge.set(row[column] if row else math.nan)
