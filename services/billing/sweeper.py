"""Releases what crashed turns left reserved: a crash can strand nothing."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import structlog

from services.billing.ledger import Expire
from services.billing.ports import LedgerStore
from services.billing.writer import LedgerWriter
from services.runtime.errors import ServiceError

_BATCH = 500

log = structlog.get_logger()


class Sweeper:
    """Expires overdue reservations, through the same writer as everything else."""

    def __init__(self, store: LedgerStore, writer: LedgerWriter, *, every_s: float) -> None:
        """Sweep every `every_s` seconds."""
        self._store = store
        self._writer = writer
        self._every_s = every_s

    async def run(self) -> None:
        """Sweep now and then again and again; run it as a task and cancel it."""
        while True:
            try:
                await self.sweep()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                log.warning("overdue reservations not swept", error=type(error).__name__)
            await asyncio.sleep(self._every_s)

    async def sweep(self) -> int:
        """Expire everything that is overdue now; answers how many reservations that were."""
        expired = 0
        while overdue := await self._store.overdue(datetime.now(UTC), _BATCH):
            results = await asyncio.gather(
                *(self._writer.submit(Expire(*key)) for key in overdue), return_exceptions=True
            )
            # One that was settled a moment ago refuses to expire, as it should.
            released = sum(not isinstance(result, BaseException) for result in results)
            expired += released
            if any(isinstance(r, BaseException) and not isinstance(r, ServiceError) for r in results) or not released:
                break
        if expired:
            log.info("overdue reservations released", count=expired)
        return expired
