"""What payments do by themselves: find lost callbacks, close unpaid orders, end refunds, compare yesterday's bill."""

import asyncio
import itertools
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

import structlog

from services.billing.payments.lookup import Lookup
from services.billing.payments.ports import PaymentProvider
from services.billing.payments.reconciler import Reconciler
from services.billing.payments.reconciliation import day_of
from services.billing.payments.refunds import Refunds
from services.billing.payments.registry import Providers
from services.billing.payments.store import PaymentStore
from services.runtime.errors import ServiceError

_AT_ONCE = 20

# A callback older than five minutes is refused for its age, so its nonce need not be kept; a week is for people.
_CALLBACKS_KEPT = timedelta(days=7)

# Yesterday's bill is there from 10:00 in China on.
_BILL_AFTER = timedelta(hours=10, minutes=10)
_DAILY_EVERY_S = 600.0

log = structlog.get_logger()


class PaymentWatch:
    """Asks again and again; every replica may run one."""

    def __init__(
        self,
        store: PaymentStore,
        providers: Providers,
        lookup: Lookup,
        refunds: Refunds,
        reconciler: Reconciler,
        *,
        every_s: float,
    ) -> None:
        """Look for what is due every `every_s` seconds."""
        self._store = store
        self._providers = providers
        self._lookup = lookup
        self._refunds = refunds
        self._reconciler = reconciler
        self._every_s = every_s

    async def run(self) -> None:
        """Look up what is due, again and again; run it as a task and cancel it."""
        # Each provider by itself: one that is slow delays nobody else's.
        await asyncio.gather(*map(self._watch, self._providers.all))

    async def run_daily(self) -> None:
        """Compare yesterday with its bill once it is there, and forget old callbacks; run it as a task."""
        while True:
            await self._quietly(self.tidy(datetime.now(UTC)))
            await asyncio.sleep(_DAILY_EVERY_S)

    async def look(self, provider: PaymentProvider) -> None:
        """Ask a provider about the orders and refunds that are due now."""
        now = datetime.now(UTC)
        orders = await self._store.claim_due_orders(now, provider.channels, _AT_ONCE)
        refunds = await self._store.claim_due_refunds(now, provider.channels, _AT_ONCE)
        await asyncio.gather(
            *(self._quietly(self._lookup.order(order)) for order in orders),
            *(self._quietly(self._refunds.look_up(refund)) for refund in refunds),
        )

    async def tidy(self, now: datetime) -> None:
        """What is to be done once a day."""
        await self._store.forget_callbacks(now - _CALLBACKS_KEPT)
        today = day_of(now - _BILL_AFTER)
        # A week: a bill may be away for a day, and so may we.
        days = [today - timedelta(days=back) for back in range(7, 0, -1)]
        for provider, day in itertools.product(self._providers.all, days):
            if not await self._store.reconciled(provider.name, day):
                await self._quietly(self._reconciler.run(provider, day))

    async def _watch(self, provider: PaymentProvider) -> None:
        while True:
            await self._quietly(self.look(provider))
            await asyncio.sleep(self._every_s)

    async def _quietly(self, work: Awaitable[object]) -> None:
        """A provider or a database that is away is tried again the next time."""
        try:
            await work
        except ServiceError as error:
            log.warning("payments not looked up", reason=error.wire_reason)
        except Exception:
            # The watch must outlive anything.
            log.exception("payments not looked up")
