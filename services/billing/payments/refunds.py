"""Giving money back."""

import hashlib

import structlog

from services.billing.operations import HoldRefund
from services.billing.payments.domain import Order, Refund, RefundProgress, RefundStatus
from services.billing.payments.errors import (
    OrderNotFoundError,
    PaymentRefusedError,
    PaymentUnavailableError,
    RefundNotFoundError,
)
from services.billing.payments.metrics import PaymentMetrics
from services.billing.payments.ports import PaymentProvider
from services.billing.payments.registry import Providers
from services.billing.payments.settlement import Settlement
from services.billing.payments.store import PaymentStore
from services.billing.writer import LedgerWriter

log = structlog.get_logger()


class Refunds:
    """Holds the money, asks the provider, and books how it ended."""

    def __init__(
        self,
        store: PaymentStore,
        providers: Providers,
        settlement: Settlement,
        writer: LedgerWriter,
        metrics: PaymentMetrics,
    ) -> None:
        """Ask these providers; the money is held by the ledger's writer."""
        self._store = store
        self._providers = providers
        self._settlement = settlement
        self._writer = writer
        self._metrics = metrics

    async def create(self, out_trade_no: str, *, request_id: str, amount_fen: int, reason: str) -> Refund:
        """Give a top-up back, whole (0: all that is left) or in part; answers the refund as it stands.

        When the provider does not answer, the money stays held and the watch asks again.

        Raises:
            ServiceError: As payments.proto says of CreateRefund.
        """
        order = await self._store.order(out_trade_no)
        if order is None:
            raise OrderNotFoundError("There is no such order.")
        provider = self._providers.of_channel(order.channel)
        number = _number(order.user_id, request_id)
        held = await self._writer.submit(
            HoldRefund(order.user_id, number, request_id, out_trade_no, amount_fen, reason)
        )
        refund = await self._stored(number)
        if not held.fresh:
            return refund
        self._metrics.refunds.labels("held").inc()
        try:
            await self._ask(provider, order, refund)
        except PaymentUnavailableError:
            log.warning("refund waits for its provider", out_refund_no=number)
        return await self._stored(number)

    async def look_up(self, refund: Refund) -> None:
        """Ask how a refund stands; one that the provider has never heard of is asked for (again).

        Raises:
            PaymentUnavailableError: The provider does not answer.
            PaymentRefusedError: The provider refuses the question, or the refund.
            UnavailableError: The ledger does not answer.
        """
        order = await self._store.order(refund.out_trade_no)
        if order is None:
            raise OrderNotFoundError("There is no such order.")
        provider = self._providers.of_channel(order.channel)
        status = await provider.query_refund(order, refund)
        if status.progress is RefundProgress.UNKNOWN:
            await self._ask(provider, order, refund)
        else:
            await self._settlement.take_refund(provider, refund, status)

    async def _ask(self, provider: PaymentProvider, order: Order, refund: Refund) -> None:
        """Ask for the money; when the provider says no, the wallet has it again."""
        try:
            status = await provider.refund(order, refund)
        except PaymentRefusedError:
            # A no can be the second answer to what was done at the first: only what the provider does not have is over.
            status = await provider.query_refund(order, refund)
            if status.progress not in (RefundProgress.UNKNOWN, RefundProgress.CLOSED):
                await self._settlement.take_refund(provider, refund, status)
                return
            refused = RefundStatus(refund.out_refund_no, RefundProgress.CLOSED)
            await self._settlement.take_refund(provider, refund, refused)
            raise
        await self._settlement.take_refund(provider, refund, status)

    async def _stored(self, number: str) -> Refund:
        refund = await self._store.refund(number)
        if refund is None:
            raise RefundNotFoundError("There is no such refund.")
        return refund


def _number(user_id: str, request_id: str) -> str:
    """32 characters that follow from the request, so that a repeated one is the same refund at the provider, too."""
    return "R" + hashlib.sha256(f"{user_id}\n{request_id}".encode()).hexdigest()[:31]
