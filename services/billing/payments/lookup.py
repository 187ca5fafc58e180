"""Asks providers how orders stand: what finds a lost callback."""

from datetime import UTC, datetime, timedelta

import structlog

from services.billing.payments.domain import Channel, Order, OrderState, TradeState
from services.billing.payments.errors import PaymentRefusedError
from services.billing.payments.ports import PaymentProvider
from services.billing.payments.registry import Providers
from services.billing.payments.settlement import Settlement
from services.runtime.errors import ServiceError

# Nobody can close a virtual order: the user's phone can pay it for as long as it has the parameters.
_PATIENCE = {Channel.VIRTUAL: timedelta(days=3)}

log = structlog.get_logger()


class Lookup:
    """One question to a provider, and what follows from its answer."""

    def __init__(self, providers: Providers, settlement: Settlement) -> None:
        """Ask these providers."""
        self._providers = providers
        self._settlement = settlement

    async def order(self, order: Order) -> None:
        """Ask how an order stands; one that is unpaid and over is closed.

        Raises:
            PaymentUnavailableError: The provider does not answer.
            PaymentRefusedError: The provider refuses the question.
            ChannelUnavailableError: Nothing is configured for the order's channel any more.
            UnavailableError: The ledger does not answer.
        """
        provider = self._providers.of_channel(order.channel)
        trade = await provider.query(order)
        if trade.state in (TradeState.UNPAID, TradeState.UNKNOWN):
            if datetime.now(UTC) >= order.expires_at + _PATIENCE.get(order.channel, timedelta()):
                # What was never announced, and the provider has never heard of, cannot be paid.
                if order.state is OrderState.PAYING or trade.state is TradeState.UNPAID:
                    await self._close_there(provider, order)
                else:
                    await self._settlement.close(order)
            return
        if await self._settlement.take_trade(provider, order, trade) and trade.state is TradeState.PAID:
            await self._deliver(provider, order)

    async def _close_there(self, provider: PaymentProvider, order: Order) -> None:
        try:
            await provider.close(order)
        except PaymentRefusedError:
            # Paid a moment ago: the next question will say so.
            log.info("order not closed", out_trade_no=order.out_trade_no)
            return
        await self._settlement.close(order)

    async def _deliver(self, provider: PaymentProvider, order: Order) -> None:
        # A callback that was taken tells the provider by itself; this payment was found without one.
        try:
            await provider.deliver(order)
        except ServiceError as error:
            # The wallet has the money; that the provider does not know is for its own list.
            log.warning("delivery not told", out_trade_no=order.out_trade_no, reason=error.wire_reason)
