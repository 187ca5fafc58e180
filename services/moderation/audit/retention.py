"""Deletes what the audit need no longer keep."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import structlog

from services.moderation.audit.store import RefusalStore
from services.runtime.errors import UnavailableError

_BATCH = 1_000

log = structlog.get_logger()


class Retention:
    """Deletes old refusals; several replicas share the work."""

    def __init__(self, store: RefusalStore, *, keep_days: int, every_s: float = 3_600.0, pause_s: float = 0.05) -> None:
        """Keep refusals for `keep_days`; look every `every_s`, and rest `pause_s` between batches, in seconds."""
        self._store = store
        self._keep = timedelta(days=keep_days)
        self._every_s = every_s
        self._pause_s = pause_s

    async def keep_tidy(self) -> None:
        """Delete again and again; run it as a task and cancel it."""
        while True:
            try:
                await self.tidy()
            except UnavailableError:
                log.warning("old refusals not deleted: the database does not answer")
            except Exception:
                # The job must outlive anything.
                log.exception("old refusals not deleted")
            # Replicas that started together need not come together.
            await asyncio.sleep(self._every_s * random.uniform(0.9, 1.1))  # noqa: S311  # no secret

    async def tidy(self) -> int:
        """Delete everything that is too old now, in small batches; answers how many refusals that were.

        Raises:
            UnavailableError: The database does not answer.
        """
        oldest = datetime.now(UTC) - self._keep
        deleted = 0
        while count := await self._store.delete_before(oldest, _BATCH):
            deleted += count
            await asyncio.sleep(self._pause_s)
        if deleted:
            log.info("old refusals deleted", count=deleted)
        return deleted
