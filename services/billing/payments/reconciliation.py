"""Our books against a provider's bill of one day. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum

from services.billing.payments.domain import BillRow, Order, Refund, RefundProgress, RefundState

# Bills are of days in China, which has no summer time.
_CHINA = timezone(timedelta(hours=8))


class DifferenceKind(StrEnum):
    """What is different."""

    MISSING_IN_BOOKS = "missing_in_books"
    MISSING_IN_BILL = "missing_in_bill"
    AMOUNT = "amount"
    STATE = "state"
    TWICE_IN_BILL = "twice_in_bill"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference, in fen; 0 where one side says nothing."""

    kind: DifferenceKind
    out_trade_no: str
    out_refund_no: str
    bill_fen: int
    book_fen: int


@dataclass(frozen=True, slots=True)
class Side:
    """What one side says of a day, in fen."""

    payments: int
    paid_fen: int
    refunds: int
    refunded_fen: int


@dataclass(frozen=True, slots=True)
class Report:
    """How a day compares."""

    bill: Side
    books: Side
    differences: tuple[Difference, ...]


def day_of(moment: datetime) -> date:
    """The day in China."""
    return moment.astimezone(_CHINA).date()


def span_of(day: date) -> tuple[datetime, datetime]:
    """A day in China, from its begin to the next one's."""
    begin = datetime(day.year, day.month, day.day, tzinfo=_CHINA).astimezone(UTC)
    return begin, begin + timedelta(days=1)


def compare(bill: Sequence[BillRow], orders: Sequence[Order], refunds: Sequence[Refund]) -> Report:
    """Compare a bill with the orders that were paid and the refunds that were asked for on its day, or that it names.

    A refund that was cancelled is missed by nobody, and counted by neither side.
    """
    payments = [row for row in bill if not row.out_refund_no]
    returns = [row for row in bill if row.out_refund_no]
    counted = [row for row in returns if row.refund_progress is not RefundProgress.CLOSED]
    kept = [refund for refund in refunds if refund.state is not RefundState.CANCELLED]
    differences = [
        *_twice(row.out_trade_no for row in payments),
        *_twice_returned(returns),
        *_payments({row.out_trade_no: row for row in payments}, {order.out_trade_no: order for order in orders}),
        *_returns({row.out_refund_no: row for row in returns}, {refund.out_refund_no: refund for refund in refunds}),
    ]
    return Report(
        Side(len(payments), _sum(payments), len(counted), _sum(counted)),
        Side(
            len(orders), sum(order.amount_fen for order in orders), len(kept), sum(refund.amount_fen for refund in kept)
        ),
        tuple(differences),
    )


def _payments(bill: dict[str, BillRow], books: dict[str, Order]) -> Iterable[Difference]:
    for number in sorted(bill.keys() | books.keys()):
        row, order = bill.get(number), books.get(number)
        bill_fen, book_fen = (row.amount_fen if row else 0), (order.amount_fen if order else 0)
        if row is None:
            yield Difference(DifferenceKind.MISSING_IN_BILL, number, "", 0, book_fen)
        elif order is None:
            yield Difference(DifferenceKind.MISSING_IN_BOOKS, number, "", bill_fen, 0)
        elif bill_fen != book_fen:
            yield Difference(DifferenceKind.AMOUNT, number, "", bill_fen, book_fen)
        elif row.transaction_id != order.transaction_id:
            yield Difference(DifferenceKind.STATE, number, "", bill_fen, book_fen)


def _returns(bill: dict[str, BillRow], books: dict[str, Refund]) -> Iterable[Difference]:
    for number in sorted(bill.keys() | books.keys()):
        row, refund = bill.get(number), books.get(number)
        bill_fen, book_fen = (row.amount_fen if row else 0), (refund.amount_fen if refund else 0)
        if row is None and refund is not None:
            if refund.state is not RefundState.CANCELLED:
                yield Difference(DifferenceKind.MISSING_IN_BILL, refund.out_trade_no, number, 0, book_fen)
        elif refund is None and row is not None:
            yield Difference(DifferenceKind.MISSING_IN_BOOKS, row.out_trade_no, number, bill_fen, 0)
        elif row is not None and refund is not None and bill_fen != book_fen:
            yield Difference(DifferenceKind.AMOUNT, row.out_trade_no, number, bill_fen, book_fen)
        elif row is not None and refund is not None and not _same_end(row, refund):
            yield Difference(DifferenceKind.STATE, row.out_trade_no, number, bill_fen, book_fen)


def _same_end(row: BillRow, refund: Refund) -> bool:
    # A bill is of yesterday: what it still calls processing may have ended since.
    if row.refund_progress in (None, RefundProgress.PROCESSING):
        return True
    return (row.refund_progress is RefundProgress.DONE) == (refund.state is RefundState.DONE)


def _twice(numbers: Iterable[str]) -> Iterable[Difference]:
    for number, times in Counter(numbers).items():
        if times > 1:
            yield Difference(DifferenceKind.TWICE_IN_BILL, number, "", 0, 0)


def _twice_returned(rows: Sequence[BillRow]) -> Iterable[Difference]:
    for (order, refund), times in Counter((row.out_trade_no, row.out_refund_no) for row in rows).items():
        if times > 1:
            yield Difference(DifferenceKind.TWICE_IN_BILL, order, refund, 0, 0)


def _sum(rows: Sequence[BillRow]) -> int:
    return sum(row.amount_fen for row in rows)
