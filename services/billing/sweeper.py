"""Releases what crashed turns left reserved: a crash can strand nothing."""

import asyncio
from datetime import UTC, datetime

import structlog

from services.billing.domain import Key
from services.billing.operations import Expire
from services.billing.ports import LedgerStore, StoreError
from services.billing.reservations import ReservationMetrics
from services.billing.writer import LedgerWriter
from services.runtime.errors import ServiceError

_BATCH = 500

log = structlog.get_logger()


class Sweeper:
    """Expires overdue reservations, through the same writer as everything else."""

    def __init__(
        self, store: LedgerStore, writer: LedgerWriter, metrics: ReservationMetrics, *, every_s: float
    ) -> None:
        """Sweep every `every_s` seconds."""
        self._store = store
        self._writer = writer
        self._metrics = metrics
        self._every_s = every_s

    async def run(self) -> None:
        """Sweep now and then again and again; run it as a task and cancel it."""
        while True:
            try:
                await self.sweep()
            except StoreError as error:
                log.warning("overdue reservations not swept", error=str(error))
            await asyncio.sleep(self._every_s)

    async def sweep(self) -> int:
        """Expire everything that is overdue now; answers how many reservations that were."""
        expired = 0
        while overdue := await self._store.overdue(datetime.now(UTC), _BATCH):
            closed = sum(await asyncio.gather(*(self._expire(key) for key in overdue)))
            expired += closed
            if not closed:
                # Another process was quicker, or the ledger does not answer: the next sweep will see.
                break
        if expired:
            self._metrics.expired.inc(expired)
            log.info("overdue reservations released", count=expired)
        return expired

    async def _expire(self, key: Key) -> bool:
        try:
            return (await self._writer.submit(Expire(*key))).fresh
        except ServiceError:
            # It was settled a moment ago, or the ledger does not answer.
            return False
