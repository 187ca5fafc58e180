"""Books what providers say: payments are credited, refunds end, what does not fit becomes an incident."""

from collections.abc import Iterable
from datetime import UTC, datetime

import structlog

from services.billing.errors import RequestConflictError
from services.billing.operations import EndRefund, PayOrder, RefundEnd
from services.billing.payments.binding import mismatch
from services.billing.payments.domain import (
    Order,
    OrderState,
    Refund,
    RefundProgress,
    RefundStatus,
    Trade,
    TradeState,
)
from services.billing.payments.metrics import PaymentMetrics
from services.billing.payments.ports import PaymentProvider
from services.billing.payments.store import PaymentStore
from services.billing.writer import LedgerWriter

# The order was refunded by someone else than us, at the provider's own desk.
REFUNDED_ELSEWHERE = "refunded_elsewhere"

_WAITING = (OrderState.CREATED, OrderState.PAYING)
_ENDS = {
    RefundProgress.DONE: RefundEnd.DONE,
    RefundProgress.CLOSED: RefundEnd.CANCELLED,
    RefundProgress.ABNORMAL: RefundEnd.ABNORMAL,
}

log = structlog.get_logger()


class Settlement:
    """The one place where a provider's word becomes money in a wallet."""

    def __init__(self, store: PaymentStore, writer: LedgerWriter, metrics: PaymentMetrics) -> None:
        """Book through the ledger's writer."""
        self._store = store
        self._writer = writer
        self._metrics = metrics

    async def take_trade(self, provider: PaymentProvider, order: Order, trade: Trade) -> bool:
        """Book how an order stands at its provider; False when that does not fit our books.

        Raises:
            UnavailableError: The ledger does not answer; nothing is lost, take it again.
        """
        match trade.state:
            case TradeState.PAID:
                return await self._credit(provider, order, trade)
            case TradeState.REFUNDED if order.state in (*_WAITING, OrderState.CLOSED):
                # We have refunded nothing, for we have not even seen the payment.
                return await self.incident(provider, REFUNDED_ELSEWHERE, order.out_trade_no)
            case TradeState.CLOSED if order.state in _WAITING:
                await self.close(order)
        return True

    async def take_refund(self, provider: PaymentProvider, refund: Refund, status: RefundStatus) -> bool:
        """Book how a refund stands at its provider; False when that does not fit our books.

        Raises:
            UnavailableError: The ledger does not answer; nothing is lost, take it again.
        """
        end = _ENDS.get(status.progress)
        if end is None:
            return True
        if status.amount_fen not in (0, refund.amount_fen):
            facts = {"said_fen": status.amount_fen, "ours_fen": refund.amount_fen}
            number = refund.out_refund_no
            return await self.incident(provider, "other_refund_amount", refund.out_trade_no, number, **facts)
        try:
            result = await self._writer.submit(EndRefund(refund.user_id, refund.out_refund_no, end, status.refund_id))
        except RequestConflictError:
            if end is RefundEnd.ABNORMAL:
                # It has ended since: this is older news that came late.
                return True
            return await self.incident(
                provider, "refund_ended_twice", refund.out_trade_no, refund.out_refund_no, said=end.value
            )
        if result.fresh:
            self._metrics.refunds.labels(end.value).inc()
            log.info("refund ended", out_refund_no=refund.out_refund_no, end=end.value)
        if end is RefundEnd.ABNORMAL:
            await self.incident(provider, "refund_abnormal", refund.out_trade_no, refund.out_refund_no)
        return True

    async def close(self, order: Order, among: Iterable[OrderState] = _WAITING) -> None:
        """An unpaid order is over, if it is in one of these states."""
        if await self._store.closed(order.out_trade_no, among) is not None:
            self._metrics.orders.labels(order.channel.value, "closed").inc()

    async def incident(
        self, provider: PaymentProvider, problem: str, out_trade_no: str, reference: str = "", **facts: object
    ) -> bool:
        """Write down what an operator must look at, once for each payment or refund it is about; always False."""
        if await self._store.add_incident(provider.name, problem, out_trade_no, facts, reference=reference):
            self._metrics.incidents.labels(provider.name, problem).inc()
            about = {"provider": provider.name, "out_trade_no": out_trade_no, "reference": reference}
            log.error("payment incident", problem=problem, **about, **facts)
        return False

    async def _credit(self, provider: PaymentProvider, order: Order, trade: Trade) -> bool:
        number = order.out_trade_no
        problem = mismatch(order, provider.channels, trade) or await self._objection(provider, order, trade)
        facts = {"said_fen": trade.amount_fen, "ours_fen": order.amount_fen}
        if problem == REFUNDED_ELSEWHERE:
            # It is written down: the money went back, and must not be in the wallet as well.
            return False
        if problem is not None:
            return await self.incident(provider, problem, number, trade.transaction_id, **facts)
        paid_at = trade.paid_at or datetime.now(UTC)
        payment = PayOrder(order.user_id, number, trade.amount_fen, trade.transaction_id, paid_at)
        try:
            result = await self._writer.submit(payment)
        except RequestConflictError:
            return await self.incident(provider, "paid_twice", number, trade.transaction_id, **facts)
        if result.fresh:
            self._metrics.orders.labels(order.channel.value, "paid").inc()
            log.info("order paid", out_trade_no=number, amount_fen=trade.amount_fen)
        return True

    async def _objection(self, provider: PaymentProvider, order: Order, trade: Trade) -> str | None:
        """What our books say against a payment; one that they have already is only repeated."""
        if order.transaction_id == trade.transaction_id:
            return None
        if await self._store.incident_seen(provider.name, REFUNDED_ELSEWHERE, order.out_trade_no):
            return REFUNDED_ELSEWHERE
        paid = await self._store.order_of_transaction(trade.transaction_id)
        return "other_order" if paid is not None and paid.out_trade_no != order.out_trade_no else None
