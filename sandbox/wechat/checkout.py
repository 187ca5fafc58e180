"""What happens when somebody pays or is refunded: the book is changed, then the merchant is told."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from sandbox.wechat.misbehaviour import Control, How, RefundEnd
from sandbox.wechat.notifier import Notice, Notifier
from sandbox.wechat.orders import Api, Order, Problem, Refund, RefundState, TradeBook, TradeRefusedError

# Who scans a NATIVE order's code when nobody says who.
SCANNER = "oSandboxScanner0000000000000"

_ENDS = {
    RefundEnd.AT_ONCE: RefundState.SUCCESS,
    RefundEnd.SUCCESS: RefundState.SUCCESS,
    RefundEnd.ABNORMAL: RefundState.ABNORMAL,
    RefundEnd.CLOSED: RefundState.CLOSED,
}


class Notices(Protocol):
    """Makes the notices of one API."""

    def payment(self, order: Order, how: How) -> Notice:
        """That an order was paid."""
        ...

    def refund(self, refund: Refund, order: Order) -> Notice:
        """How a refund ended."""
        ...


class Checkout:
    """Where payers, the merchant's APIs and the cashier's page meet."""

    def __init__(self, book: TradeBook, notifier: Notifier, control: Control, notices: Mapping[Api, Notices]) -> None:
        """Serve one merchant."""
        self.book = book
        self._notifier = notifier
        self._control = control
        self._notices = notices

    def find(self, out_trade_no: str = "", transaction_id: str = "") -> Order:
        """An order of WeChat Pay's by either of its numbers, of which WeChat's comes first.

        Raises:
            TradeRefusedError: There is none, or it is virtual payment's, which WeChat Pay does not know.
        """
        order = self.book.find_transaction(transaction_id) if transaction_id else self.book.find(out_trade_no)
        if order.api is Api.VIRTUAL:
            raise TradeRefusedError(Problem.ORDER_NOT_EXIST)
        return order

    def close(self, out_trade_no: str) -> None:
        """Make sure that nobody can pay an order any more.

        Raises:
            TradeRefusedError: As `find` and TradeBook.close.
        """
        self.book.close(self.find(out_trade_no).out_trade_no)

    def place(self, order: Order) -> Order:
        """Place an order, and pay it if orders pay themselves.

        Raises:
            TradeRefusedError: As TradeBook.place.
        """
        is_new = order.out_trade_no not in self.book.orders
        placed = self.book.place(order)
        after_s = self._control.settings.auto_pay_after_s
        if is_new and after_s is not None:
            self._notifier.soon(self._pay_later(placed, after_s, self._control.settings.auto_pay_how))
        return placed

    def pay(self, out_trade_no: str, openid: str = "", how: How = How.NORMAL) -> Order:
        """Pay, and announce it in this manner.

        Args:
            out_trade_no: The order.
            openid: Who pays; empty for the one it was placed for, or whoever scanned the code.
            how: A manner that occurs in the order's API.

        Raises:
            TradeRefusedError: As TradeBook.pay.
        """
        payer = openid or self.book.find(out_trade_no).openid or SCANNER
        order = self.book.pay(out_trade_no, payer)
        self._notifier.send(self._notices[order.api].payment(order, how), how)
        return order

    def refund(self, wish: Refund) -> Refund:
        """Give money back; the same wish once more changes nothing.

        Raises:
            TradeRefusedError: As TradeBook.refund.
        """
        is_new = wish.out_refund_no not in self.book.refunds
        refund = self.book.refund(wish)
        if not is_new:
            return refund
        if self._control.settings.refund_ends is RefundEnd.AT_ONCE:
            return self._end_refund(refund, RefundState.SUCCESS)
        self._notifier.soon(self._end_refund_later(refund, _ENDS[self._control.settings.refund_ends]))
        return refund

    def resume(self) -> None:
        """End the refunds that a stop of the stand-in left PROCESSING."""
        for refund in self.book.refunds.values():
            if refund.state is RefundState.PROCESSING:
                self._notifier.soon(self._end_refund_later(refund, _ENDS[self._control.settings.refund_ends]))

    async def _pay_later(self, order: Order, after_s: float, how: How) -> None:
        await asyncio.sleep(after_s)
        try:
            self.pay(order.out_trade_no, how=how if how.occurs_in(order.api) else How.NORMAL)
        except TradeRefusedError:
            return  # closed or paid meanwhile, as happens to slow payers

    async def _end_refund_later(self, refund: Refund, state: RefundState) -> None:
        await asyncio.sleep(self._control.settings.refund_after_s)
        self._end_refund(refund, state)

    def _end_refund(self, refund: Refund, state: RefundState) -> Refund:
        ended = self.book.end_refund(refund.out_refund_no, state)
        order = self.book.find(refund.out_trade_no)
        # Virtual payment pushes to the platform's one address; elsewhere, who names none is told nothing.
        if ended.notify_url or order.api is Api.VIRTUAL:
            self._notifier.send(self._notices[order.api].refund(ended, order))
        return ended
