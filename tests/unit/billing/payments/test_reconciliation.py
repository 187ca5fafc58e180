"""A bill that was made from the books agrees with them; one that was changed in one place differs in one place."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.billing.payments.domain import (
    BillRow,
    Channel,
    Order,
    OrderState,
    Payer,
    Refund,
    RefundProgress,
    RefundState,
)
from services.billing.payments.reconciliation import Difference, DifferenceKind, Side, compare, day_of, span_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
_PROGRESS = {
    RefundState.HELD: RefundProgress.PROCESSING,
    RefundState.ABNORMAL: RefundProgress.ABNORMAL,
    RefundState.DONE: RefundProgress.DONE,
    RefundState.CANCELLED: RefundProgress.CLOSED,
}

Books = tuple[list[Order], list[Refund]]


def order(number: int, amount_fen: int = 100) -> Order:
    return Order(
        out_trade_no=f"Q{number}",
        user_id="u",
        request_id="",
        input_sha256=b"",
        channel=Channel.JSAPI,
        package_id="",
        tokens=1,
        amount_fen=amount_fen,
        description="",
        payer=Payer(),
        created_at=NOW,
        expires_at=NOW,
        state=OrderState.PAID,
        transaction_id=f"T{number}",
        paid_at=NOW,
    )


def refund(number: int, of: int, amount_fen: int = 100, state: RefundState = RefundState.DONE) -> Refund:
    return Refund(f"R{number}", "u", "", b"", f"Q{of}", amount_fen, "", NOW, state)


def paid(one: Order) -> BillRow:
    return BillRow(one.out_trade_no, one.transaction_id, one.amount_fen)


def given_back(one: Refund) -> BillRow:
    return BillRow(one.out_trade_no, "", one.amount_fen, one.out_refund_no, "F", _PROGRESS[one.state])


def bill_of(orders: list[Order], refunds: list[Refund]) -> list[BillRow]:
    return [*map(paid, orders), *map(given_back, refunds)]


@st.composite
def books(draw: st.DrawFn) -> Books:
    amounts = draw(st.lists(st.integers(1, 10**8), max_size=6))
    orders = [order(number, amount) for number, amount in enumerate(amounts)]
    drawn = draw(st.lists(st.tuples(st.integers(1, 10**8), st.sampled_from(RefundState)), max_size=6))
    return orders, [refund(n, n % 3, amount, state) for n, (amount, state) in enumerate(drawn)]


@given(books(), st.randoms(use_true_random=False))
def test_a_bill_made_from_the_books_has_no_difference_in_any_order(kept: Books, shuffled: "object") -> None:
    bill = bill_of(*kept)
    shuffled.shuffle(bill)  # type: ignore[attr-defined]  # a random.Random
    report = compare(bill, *kept)
    assert report.differences == ()
    assert report.bill == report.books


@given(books(), st.data())
def test_any_single_change_of_a_bill_is_exactly_one_difference(kept: Books, data: st.DataObject) -> None:
    bill = bill_of(*kept)
    # What was cancelled here, and is said to be closed or not at all there, is nobody's difference.
    told = [n for n, row in enumerate(bill) if row.refund_progress is not RefundProgress.CLOSED]
    assume(told)
    place = data.draw(st.sampled_from(told))
    row, change = bill[place], data.draw(st.sampled_from(DifferenceKind))
    expected = {
        DifferenceKind.MISSING_IN_BILL: (0, row.amount_fen),
        DifferenceKind.MISSING_IN_BOOKS: (7, 0),
        DifferenceKind.AMOUNT: (row.amount_fen + 1, row.amount_fen),
        DifferenceKind.STATE: (row.amount_fen, row.amount_fen),
        DifferenceKind.TWICE_IN_BILL: (0, 0),
    }[change]
    match change:
        case DifferenceKind.MISSING_IN_BILL:
            del bill[place]
        case DifferenceKind.MISSING_IN_BOOKS:
            row = replace(row, out_trade_no="Q99", out_refund_no=row.out_refund_no and "R99", amount_fen=7)
            bill.append(row)
        case DifferenceKind.AMOUNT:
            bill[place] = replace(row, amount_fen=row.amount_fen + 1)
        case DifferenceKind.STATE if not row.out_refund_no:
            bill[place] = replace(row, transaction_id="T99")
        case DifferenceKind.STATE:
            is_done = row.refund_progress is RefundProgress.DONE
            bill[place] = replace(row, refund_progress=RefundProgress.ABNORMAL if is_done else RefundProgress.DONE)
        case DifferenceKind.TWICE_IN_BILL:
            bill.append(row)
    assert compare(bill, *kept).differences == (Difference(change, row.out_trade_no, row.out_refund_no, *expected),)


@pytest.mark.parametrize(
    ("said", "state", "differs"),
    [
        (RefundProgress.DONE, RefundState.DONE, False),
        (RefundProgress.DONE, RefundState.HELD, True),
        (RefundProgress.DONE, RefundState.ABNORMAL, True),
        (RefundProgress.DONE, RefundState.CANCELLED, True),
        (RefundProgress.PROCESSING, RefundState.DONE, False),
        (RefundProgress.PROCESSING, RefundState.HELD, False),
        (RefundProgress.ABNORMAL, RefundState.ABNORMAL, False),
        (RefundProgress.ABNORMAL, RefundState.DONE, True),
        (RefundProgress.CLOSED, RefundState.DONE, True),
        (RefundProgress.CLOSED, RefundState.CANCELLED, False),
        (None, RefundState.DONE, False),
    ],
)
def test_a_refund_that_the_two_sides_ended_differently_is_a_difference(
    said: RefundProgress | None, state: RefundState, differs: bool
) -> None:
    ours = refund(1, 1, state=state)
    report = compare([replace(given_back(ours), refund_progress=said)], [], [ours])
    assert [one.kind for one in report.differences] == [DifferenceKind.STATE] * differs


def test_a_cancelled_refund_that_the_bill_does_not_know_is_no_difference() -> None:
    report = compare([], [], [refund(1, 1, state=RefundState.CANCELLED)])
    assert (report.differences, report.books) == ((), Side(0, 0, 0, 0))


def test_a_day_is_summed_up_on_both_sides() -> None:
    orders, refunds = [order(1, 100), order(2, 250)], [refund(1, 1, 40), refund(2, 2, 60, RefundState.HELD)]
    report = compare([paid(orders[0]), given_back(refunds[0])], orders, refunds)
    assert report.bill == Side(1, 100, 1, 40)
    assert report.books == Side(2, 350, 2, 100)


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 2, 28, 15, 59, 59, 999_999, UTC), date(2026, 2, 28)),
        (datetime(2026, 2, 28, 16, 0, tzinfo=UTC), date(2026, 3, 1)),
        (datetime(2026, 12, 31, 16, 0, tzinfo=UTC), date(2027, 1, 1)),
    ],
)
def test_a_day_begins_at_midnight_in_china(moment: datetime, day: date) -> None:
    assert day_of(moment) == day


@given(st.datetimes(datetime(2000, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  # bounds
def test_every_moment_is_within_the_span_of_its_day(moment: datetime) -> None:
    begin, end = span_of(day_of(moment))
    assert begin <= moment < end
    assert end - begin == timedelta(days=1)
