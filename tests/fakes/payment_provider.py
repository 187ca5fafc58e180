"""A payment provider behind the port, with books of its own: orders it was told of, payments, refunds."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from services.billing.payments.domain import (
    Answer,
    BillRow,
    Callback,
    Channel,
    Notice,
    Order,
    Refund,
    RefundProgress,
    RefundStatus,
    Trade,
    TradeState,
)
from services.billing.payments.errors import CallbackRefusedError, PaymentRefusedError, PaymentUnavailableError
from services.billing.payments.reconciliation import day_of

ACCEPTED, REFUSED, LATER = Answer(200, body=b"accepted"), Answer(401, body=b"refused"), Answer(503, body=b"later")


@dataclass
class FakeProvider:
    """Keeps books as a real provider does; `told` lists what it was asked to do, in order.

    `is_away` leaves every question unanswered; `loses_answers` does what is asked and then does not answer; `refuses`
    says no to what changes something; `slow_s` is how long each answer takes.
    """

    name: str = "wechatpay"
    channels: frozenset[Channel] = frozenset({Channel.JSAPI, Channel.NATIVE})
    has_bills: bool = True
    refunds_become: RefundProgress = RefundProgress.PROCESSING
    is_away: bool = False
    loses_answers: bool = False
    refuses: bool = False
    slow_s: float = 0.0
    told: list[str] = field(default_factory=list)
    payers: list[str] = field(default_factory=list)
    session_keys: list[str] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    trades: dict[str, Trade] = field(default_factory=dict)
    refunds: dict[str, RefundStatus] = field(default_factory=dict)
    refunded_at: dict[str, datetime] = field(default_factory=dict)
    _notices: dict[bytes, Notice] = field(default_factory=dict)

    def pay(self, order: Order, **other: Any) -> Callback:
        """Somebody pays; answers the callback. `other` is what differs from what was ordered."""
        paid = Trade(
            out_trade_no=order.out_trade_no,
            state=TradeState.PAID,
            amount_fen=order.amount_fen,
            transaction_id=f"T{secrets.token_hex(8)}",
            openid=order.payer.openid,
            paid_at=datetime.now(UTC),
            channel=order.channel,
        )
        self.trades[order.out_trade_no] = trade = replace(paid, **other)
        return self.notify(trade=trade)

    def end_refund(self, number: str, progress: RefundProgress) -> Callback:
        """A refund goes on; answers the callback."""
        self.refunds[number] = status = replace(self.refunds[number], progress=progress)
        return self.notify(refund=status)

    def notify(
        self,
        *,
        trade: Trade | None = None,
        refund: RefundStatus | None = None,
        confirm: bool = False,
        nonce: str = "",
    ) -> Callback:
        """A genuine callback, with a fresh nonce unless one is given."""
        body = secrets.token_bytes(8)
        self._notices[body] = Notice(nonce or secrets.token_hex(8), trade, refund, confirm)
        return Callback({"signature": "genuine"}, {}, body)

    def refunded_fen(self, order: Order) -> int:
        """What was given back of an order, or is about to be."""
        gone = (RefundProgress.CLOSED, RefundProgress.UNKNOWN)
        mine = [one for one in self.refunds.values() if one.out_trade_no == order.out_trade_no]
        return sum(one.amount_fen for one in mine if one.progress not in gone)

    async def prepay(self, order: Order, now: datetime) -> Mapping[str, str]:
        self.payers.append(order.payer.openid)
        self.session_keys.append(order.payer.session_key)
        await self._work("prepay", changes=True)
        self.orders[order.out_trade_no] = order
        self.trades.setdefault(order.out_trade_no, Trade(order.out_trade_no, TradeState.UNPAID))
        self._answer()
        return {"package": f"prepay_id={secrets.token_hex(8)}"}

    async def read(self, callback: Callback, now: datetime) -> Notice:
        if callback.headers.get("signature") != "genuine":
            raise CallbackRefusedError("signature")
        return self._notices[callback.body]

    def accepted(self) -> Answer:
        return ACCEPTED

    def refused(self) -> Answer:
        return REFUSED

    def later(self) -> Answer:
        return LATER

    def echo(self, query: Mapping[str, str]) -> str | None:
        return query.get("echostr")

    async def deliver(self, order: Order) -> None:
        await self._work("deliver")

    async def query(self, order: Order) -> Trade:
        await self._work("query")
        return self.trades.get(order.out_trade_no) or Trade(order.out_trade_no, TradeState.UNKNOWN)

    async def close(self, order: Order) -> None:
        await self._work("close", changes=True)
        trade = self.trades.get(order.out_trade_no)
        if trade is not None and trade.state in (TradeState.PAID, TradeState.REFUNDED):
            raise PaymentRefusedError("It was paid.", metadata={"provider_code": "ORDERPAID"})
        self.trades[order.out_trade_no] = Trade(order.out_trade_no, TradeState.CLOSED)
        self._answer()

    async def refund(self, order: Order, refund: Refund) -> RefundStatus:
        await self._work("refund", changes=True)
        known = self.refunds.get(refund.out_refund_no)
        if known is None:
            if refund.amount_fen > order.amount_fen - self.refunded_fen(order):
                raise PaymentRefusedError("That is too much.", metadata={"provider_code": "NOT_ENOUGH"})
            known = RefundStatus(
                refund.out_refund_no,
                self.refunds_become,
                order.out_trade_no,
                f"F{refund.out_refund_no[:16]}",
                refund.amount_fen,
            )
            self.refunds[refund.out_refund_no] = known
            self.refunded_at[refund.out_refund_no] = datetime.now(UTC)
        self._answer()
        return known

    async def query_refund(self, order: Order, refund: Refund) -> RefundStatus:
        await self._work("query_refund")
        unknown = RefundStatus(refund.out_refund_no, RefundProgress.UNKNOWN, order.out_trade_no)
        return self.refunds.get(refund.out_refund_no, unknown)

    async def bill(self, day: date) -> Sequence[BillRow] | None:
        await self._work("bill")
        if not self.has_bills:
            return None
        paid = [one for one in self.trades.values() if one.paid_at is not None and day_of(one.paid_at) == day]
        back = [one for one in self.refunds.values() if day_of(self.refunded_at[one.out_refund_no]) == day]
        return [
            *(BillRow(one.out_trade_no, one.transaction_id, one.amount_fen) for one in paid),
            *(
                BillRow(one.out_trade_no, "", one.amount_fen, one.out_refund_no, one.refund_id, one.progress)
                for one in back
            ),
        ]

    async def _work(self, what: str, *, changes: bool = False) -> None:
        self.told.append(what)
        # Even a quick answer comes over a network, and others go on meanwhile.
        await asyncio.sleep(self.slow_s)
        if self.is_away:
            raise PaymentUnavailableError("The payment provider does not answer.")
        if self.refuses and changes:
            raise PaymentRefusedError("The payment provider says no.", metadata={"provider_code": "NO_AUTH"})

    def _answer(self) -> None:
        if self.loses_answers:
            raise PaymentUnavailableError("The payment provider does not answer.")
