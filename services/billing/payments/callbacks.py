"""Callbacks of payment providers: verified, bound to an order, booked once, answered in time."""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime

import structlog

from services.billing.payments.domain import Answer, Callback, Notice, RefundProgress, RefundStatus, Trade, TradeState
from services.billing.payments.errors import CallbackRefusedError, PaymentUnavailableError
from services.billing.payments.metrics import PaymentMetrics
from services.billing.payments.ports import PaymentProvider
from services.billing.payments.registry import Providers
from services.billing.payments.settlement import REFUNDED_ELSEWHERE, Settlement
from services.billing.payments.store import PaymentStore
from services.runtime.errors import Code, ServiceError

# WeChat waits five seconds; what takes longer is told to come again.
_ANSWER_WITHIN_S = 3.5

# As WeChat takes them, or '' where a notice says none.
_NUMBER = re.compile(r"[0-9A-Za-z_|*-]{0,64}")

log = structlog.get_logger()


class Callbacks:
    """Takes what arrives at the callback addresses."""

    def __init__(
        self, store: PaymentStore, providers: Providers, settlement: Settlement, metrics: PaymentMetrics
    ) -> None:
        """Book through the settlement."""
        self._store = store
        self._providers = providers
        self._settlement = settlement
        self._metrics = metrics

    async def take(self, provider_name: str, callback: Callback) -> Answer:
        """Answer a callback as its provider wants it answered.

        Raises:
            ProviderNotFoundError: There is no such provider.
        """
        provider = self._providers.named(provider_name)
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                result, answer = await self._take(provider, callback)
        except CallbackRefusedError as error:
            result, answer = error.problem, provider.refused()
            log.warning("payment callback refused", provider=provider.name, problem=error.problem)
        except TimeoutError:
            result, answer = "later", provider.later()
        except ServiceError as error:
            if error.wire_code is not Code.UNAVAILABLE:
                log.error("payment callback failed", provider=provider.name, reason=error.wire_reason)
            result, answer = "later", provider.later()
        self._metrics.callbacks.labels(provider.name, result).inc()
        return answer

    def verify(self, provider_name: str, query: Mapping[str, str]) -> Answer:
        """Answer a provider that verifies the address of its callbacks.

        Raises:
            ProviderNotFoundError: There is no such provider.
        """
        provider = self._providers.named(provider_name)
        said = provider.echo(query)
        if said is None:
            return provider.refused()
        return Answer(200, "text/plain; charset=utf-8", said.encode())

    async def _take(self, provider: PaymentProvider, callback: Callback) -> tuple[str, Answer]:
        notice = await provider.read(callback, datetime.now(UTC))
        _demand_numbers(notice)
        if await self._store.callback_seen(provider.name, notice.nonce):
            # This very delivery was taken before: whoever sends it again changes nothing.
            return "replayed", provider.accepted()
        taken, out_trade_no = await self._book(provider, notice)
        if not taken:
            # It is genuine and does not fit: the provider's own record of failed callbacks is a second alarm.
            return "does_not_fit", provider.refused()
        await self._store.remember_callback(provider.name, notice.nonce, out_trade_no)
        return "accepted", provider.accepted()

    async def _book(self, provider: PaymentProvider, notice: Notice) -> tuple[bool, str]:
        if notice.trade is not None:
            return await self._book_trade(provider, notice.trade, confirm=notice.confirm), notice.trade.out_trade_no
        if notice.refund is not None:
            return await self._book_refund(provider, notice.refund, confirm=notice.confirm), notice.refund.out_trade_no
        return True, ""

    async def _book_trade(self, provider: PaymentProvider, trade: Trade, *, confirm: bool) -> bool:
        order = await self._store.order(trade.out_trade_no)
        if order is None and confirm:
            # Whoever can replay a hint must not fill our books with orders that never were.
            return False
        if order is None:
            return await self._settlement.incident(provider, "unknown_order", trade.out_trade_no)
        if order.channel not in provider.channels:
            return await self._settlement.incident(provider, "other_provider", order.out_trade_no)
        if confirm:
            trade = await provider.query(order)
            if trade.state not in (TradeState.PAID, TradeState.REFUNDED):
                # The provider's own books may lag behind its hint: it must come again, and is not remembered.
                raise PaymentUnavailableError("The provider does not confirm its hint yet.")
        return await self._settlement.take_trade(provider, order, trade)

    async def _book_refund(self, provider: PaymentProvider, status: RefundStatus, *, confirm: bool) -> bool:
        refund = await self._store.refund(status.out_refund_no)
        if refund is None and confirm:
            return await self._book_hint_of_refund(provider, status)
        if refund is None:
            # Somebody refunded at the provider's own desk: the wallet must not keep, or get, the money unseen.
            return await self._settlement.incident(
                provider, REFUNDED_ELSEWHERE, status.out_trade_no, status.out_refund_no, amount_fen=status.amount_fen
            )
        order = await self._store.order(refund.out_trade_no)
        if (
            order is None
            or order.channel not in provider.channels
            or status.out_trade_no not in ("", order.out_trade_no)
        ):
            return await self._settlement.incident(provider, "other_provider", refund.out_trade_no)
        if confirm:
            status = await provider.query_refund(order, refund)
            if status.progress in (RefundProgress.PROCESSING, RefundProgress.UNKNOWN):
                raise PaymentUnavailableError("The provider does not confirm its hint yet.")
        return await self._settlement.take_refund(provider, refund, status)

    async def _book_hint_of_refund(self, provider: PaymentProvider, status: RefundStatus) -> bool:
        """A hint about a refund of somebody else's: only what the provider says of the order counts."""
        order = await self._store.order(status.out_trade_no)
        if order is None or order.channel not in provider.channels:
            return False
        trade = await provider.query(order)
        if trade.state is not TradeState.REFUNDED:
            raise PaymentUnavailableError("The provider does not confirm its hint yet.")
        return await self._settlement.incident(
            provider, REFUNDED_ELSEWHERE, order.out_trade_no, status.out_refund_no, amount_fen=status.amount_fen
        )


def _demand_numbers(notice: Notice) -> None:
    """What is no number of any order of ours is no question for the database."""
    said = [notice.trade.out_trade_no] if notice.trade else []
    if notice.refund:
        said += [notice.refund.out_refund_no, notice.refund.out_trade_no]
    if not all(_NUMBER.fullmatch(number) for number in said):
        raise CallbackRefusedError("number")
