"""The rules of top-ups and their refunds. Pure.

An order is credited once, with exactly what was paid. A refund holds its money in the wallet first, and leaves it, or
frees it again, when the provider has said how it ended.

What is left of a top-up: spending takes given credit first and then the oldest top-up, so what a wallet still has
available belongs to its newest top-ups. Example: a trial of ¥1, a top-up of ¥10, then one of ¥20, and ¥12 spent:
¥19 are left, all of them of the newer top-up, and nothing is left of the older one.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from services.billing.book import Book
from services.billing.domain import CLEARING, Kind, Wallet
from services.billing.errors import RequestConflictError
from services.billing.operations import EndRefund, HoldRefund, PayOrder, RefundEnd, Result
from services.billing.payments.domain import MICROS_PER_FEN, Channel, Order, OrderState, Refund, RefundState
from services.billing.payments.errors import (
    OrderNotFoundError,
    OrderNotPaidError,
    RefundNotFoundError,
    RefundTooLargeError,
    RefundUnderWayError,
)

_PAID = (OrderState.PAID, OrderState.REFUNDED)


def pay(book: Book, wallet: Wallet, asked: PayOrder) -> Result:
    """Credit an order. One that was closed meanwhile is credited too: the money has come."""
    order = book.orders.get(asked.request_id)
    if order is None or order.user_id != asked.user_id:
        raise OrderNotFoundError("The user has no such order.")
    if asked.amount_fen != order.amount_fen or order.transaction_id not in ("", asked.transaction_id):
        raise RequestConflictError("This order was paid by another transaction, or another amount was paid for it.")
    if order.state in _PAID:
        return Result(wallet, order.credit_micros, fresh=False)
    book.put_order(
        replace(order, state=OrderState.PAID, transaction_id=asked.transaction_id, paid_at=asked.paid_at, parameters={})
    )
    amount = order.credit_micros
    return Result(book.credit(wallet, CLEARING, amount, Kind.TOPUP, order.out_trade_no), amount)


def hold(book: Book, wallet: Wallet, asked: HoldRefund, now: datetime) -> Result:
    """Hold the money of a refund."""
    if (known := book.refunds.get(asked.request_id)) is not None:
        if known.user_id != asked.user_id or known.input_sha256 != asked.sha256:
            raise RequestConflictError.used_before()
        return Result(wallet, known.amount_micros, fresh=False)
    order = book.orders.get(asked.out_trade_no)
    if order is None or order.user_id != asked.user_id:
        raise OrderNotFoundError("The user has no such order.")
    if order.state not in _PAID:
        raise OrderNotPaidError("The order has not been paid: nothing can be given back.")
    held = _held(book, asked)
    if order.channel is Channel.VIRTUAL and any(refund.out_trade_no == order.out_trade_no for refund in held):
        raise RefundUnderWayError("Another refund of this order is under way: ask again when it has ended.")
    mine = [other for other in book.orders.values() if other.user_id == asked.user_id]
    left_fen = refundable_fen(order, wallet.available, mine, held)
    amount_fen = asked.amount_fen or left_fen
    if amount_fen > left_fen or not amount_fen:
        raise RefundTooLargeError(
            f"{left_fen} fen are left of this top-up in the wallet.", metadata={"refundable_fen": str(left_fen)}
        )
    refund = Refund(
        out_refund_no=asked.request_id,
        user_id=asked.user_id,
        request_id=asked.caller_request_id,
        input_sha256=asked.sha256,
        out_trade_no=order.out_trade_no,
        amount_fen=amount_fen,
        reason=asked.reason,
        created_at=now,
    )
    book.put_refund(refund)
    return Result(book.set_aside(wallet, refund.amount_micros), refund.amount_micros)


def end(book: Book, wallet: Wallet, asked: EndRefund, now: datetime) -> Result:
    """Pay a held refund out, put it back, or mark it as one that needs an operator."""
    refund = book.refunds.get(asked.request_id)
    if refund is None or refund.user_id != asked.user_id:
        raise RefundNotFoundError("The user has no such refund.")
    to = RefundState(asked.end)
    amount = refund.amount_micros
    if refund.state is to:
        return Result(wallet, amount, fresh=False)
    if refund.state in (RefundState.DONE, RefundState.CANCELLED):
        raise RequestConflictError(f"The refund has ended before: it is {refund.state.value}.")
    after = replace(refund, state=to, refund_id=asked.refund_id or refund.refund_id)
    if asked.end is RefundEnd.ABNORMAL:
        book.put_refund(after)
        return Result(wallet, amount)
    book.put_refund(replace(after, closed_at=now))
    if asked.end is RefundEnd.CANCELLED:
        return Result(book.set_aside(wallet, -amount), amount)
    order = book.orders[refund.out_trade_no]
    refunded_fen = order.refunded_fen + refund.amount_fen
    state = OrderState.REFUNDED if refunded_fen == order.amount_fen else order.state
    book.put_order(replace(order, refunded_fen=refunded_fen, state=state))
    return Result(book.debit(wallet, CLEARING, amount, Kind.REFUND, refund.out_refund_no, reserved=amount), amount)


def _held(book: Book, asked: HoldRefund) -> list[Refund]:
    return [
        refund
        for refund in book.refunds.values()
        if refund.user_id == asked.user_id and refund.state in (RefundState.HELD, RefundState.ABNORMAL)
    ]


def refundable_fen(order: Order, available_micros: int, orders: Iterable[Order], held: Iterable[Refund]) -> int:
    """What is left of a top-up in the wallet, in whole fen.

    Args:
        order: The top-up.
        available_micros: What the wallet has available.
        orders: All top-ups of the wallet.
        held: Its refunds that are under way; what they hold is not available, and no longer part of its top-up.
    """
    held_micros: dict[str, int] = {}
    for refund in held:
        held_micros[refund.out_trade_no] = held_micros.get(refund.out_trade_no, 0) + refund.amount_micros

    def kept(one: Order) -> int:
        return one.kept_micros - held_micros.get(one.out_trade_no, 0)

    later = sum(kept(other) for other in orders if other.state in _PAID and _paid_after(other, order))
    left = min(max(available_micros - later, 0), kept(order))
    return left // MICROS_PER_FEN


def _paid_after(one: Order, other: Order) -> bool:
    if one.paid_at is None or other.paid_at is None:
        return False
    return (one.paid_at, one.out_trade_no) > (other.paid_at, other.out_trade_no)
