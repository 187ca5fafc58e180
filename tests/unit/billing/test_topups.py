"""Top-ups and their refunds: credited once, and never given back beyond what is left."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.domain import CLEARING, Kind, Transfer
from services.billing.operations import (
    EndRefund,
    GrantCredit,
    HoldRefund,
    Operation,
    PayOrder,
    RefundEnd,
    Reserve,
    Result,
    Settle,
)
from services.billing.payments.domain import MICROS_PER_FEN, Channel, Order, OrderState, Refund, RefundState
from services.billing.payments.rules import refundable_fen
from services.billing.pricing import Price, Usage
from services.runtime.errors import ServiceError
from tests.fakes.ledger_store import MemoryLedger
from tests.ledger.books import assert_sound
from tests.ledger.operations import order

NOW = datetime(2026, 1, 1, tzinfo=UTC)
# A fen a token.
PRICE = Price(10_000_000_000, 0, 0, 0, 1_000_000)


def pay(number: str = "order1", fen: int = 1_000, user: str = "u", transaction: str = "wx1", day: int = 0) -> PayOrder:
    return PayOrder(user, number, fen, transaction, NOW + timedelta(days=day))


def hold(
    fen: int = 100, number: str = "refund1", of: str = "order1", user: str = "u", reason: str = "why"
) -> HoldRefund:
    return HoldRefund(user, number, "r", of, fen, reason)


def end(how: RefundEnd, number: str = "refund1", user: str = "u") -> EndRefund:
    return EndRefund(user, number, how, "wx-refund")


def spend(fen: int, request_id: str = "turn") -> list[Operation]:
    return [
        Reserve("u", request_id, "m", fen, 0, PRICE, 900),
        Settle("u", request_id, Usage(fen, 0), "completed"),
    ]


def shop(*operations: Operation, orders: dict[str, int] | None = None) -> MemoryLedger:
    """A wallet with orders of so many fen, and what was done."""
    store = MemoryLedger()
    for number, fen in (orders or {"order1": 1_000}).items():
        store.put_order(order(number, "u", fen))
    for outcome in store.commit(operations, NOW):
        assert isinstance(outcome, Result), outcome
    assert_sound(store.books())
    return store


def done(store: MemoryLedger, operation: Operation) -> Result:
    (outcome,) = store.commit([operation], NOW)
    assert isinstance(outcome, Result), outcome
    assert_sound(store.books())
    return outcome


def refused(store: MemoryLedger, operation: Operation) -> ServiceError:
    before = store.books()
    (outcome,) = store.commit([operation], NOW)
    assert isinstance(outcome, ServiceError), outcome
    assert store.books() == before
    return outcome


def test_a_paid_order_is_credited_with_exactly_what_was_paid() -> None:
    store = shop()
    assert done(store, pay()).wallet.available == 10_000_000
    assert store.journal == [Transfer(CLEARING, "wallet:u", 10_000_000, Kind.TOPUP, "u", "order1", 10_000_000)]
    paid = store.orders["order1"]
    assert (paid.state, paid.transaction_id, paid.paid_at) == (OrderState.PAID, "wx1", NOW)


def test_an_order_is_credited_once_however_often_its_payment_is_told() -> None:
    store = shop(pay())
    again = done(store, pay())
    assert (again.amount, again.fresh, again.wallet.balance) == (10_000_000, False, 10_000_000)


@pytest.mark.parametrize("other", [pay(fen=999), pay(fen=1_001), pay(transaction="wx2")])
def test_another_payment_of_a_paid_order_is_a_conflict(other: PayOrder) -> None:
    assert refused(shop(pay()), other).wire_reason == "REQUEST_CONFLICT"


def test_an_amount_that_was_not_ordered_is_not_credited() -> None:
    assert refused(shop(), pay(fen=1)).wire_reason == "REQUEST_CONFLICT"


def test_a_payment_for_an_order_that_was_closed_is_credited_for_the_money_has_come() -> None:
    store = shop()
    store.orders["order1"] = replace(store.orders["order1"], state=OrderState.CLOSED)
    assert done(store, pay()).wallet.balance == 10_000_000
    assert store.orders["order1"].state is OrderState.PAID


def test_nobody_is_credited_with_an_order_of_another() -> None:
    store = shop(GrantCredit("v", "g", 1, ""))
    assert refused(store, pay(user="v")).wire_reason == "ORDER_NOT_FOUND"
    assert refused(store, pay("order2")).wire_reason == "ORDER_NOT_FOUND"


def test_a_refund_holds_its_money_and_then_pays_it_out() -> None:
    store = shop(pay())
    held = done(store, hold(300))
    assert (held.amount, held.wallet.balance, held.wallet.available) == (3_000_000, 10_000_000, 7_000_000)
    paid_out = done(store, end(RefundEnd.DONE))
    assert (paid_out.wallet.balance, paid_out.wallet.available) == (7_000_000, 7_000_000)
    assert store.journal[-1] == Transfer("wallet:u", CLEARING, 3_000_000, Kind.REFUND, "u", "refund1", 7_000_000)
    assert (store.orders["order1"].state, store.orders["order1"].refunded_fen) == (OrderState.PAID, 300)


def test_a_refund_of_nothing_named_is_of_all_that_is_left() -> None:
    store = shop(pay(), *spend(400))
    assert done(store, hold(0)).amount == 6_000_000


def test_an_order_that_was_given_back_whole_is_refunded() -> None:
    store = shop(pay(), hold(600), end(RefundEnd.DONE), hold(0, "refund2"), end(RefundEnd.DONE, "refund2"))
    assert store.orders["order1"].state is OrderState.REFUNDED
    assert store.wallets["u"].balance == 0
    assert refused(store, hold(1, "refund3")).metadata == {"refundable_fen": "0"}


def test_a_cancelled_refund_puts_its_money_back() -> None:
    store = shop(pay(), hold(300))
    assert done(store, end(RefundEnd.CANCELLED)).wallet.available == 10_000_000
    assert store.refunds["refund1"].state is RefundState.CANCELLED
    assert done(store, hold(1_000, "refund2")).amount == 10_000_000


def test_an_abnormal_refund_stays_held_until_it_ends() -> None:
    store = shop(pay(), hold(300))
    assert done(store, end(RefundEnd.ABNORMAL)).wallet.available == 7_000_000
    assert refused(store, hold(701, "refund2")).metadata == {"refundable_fen": "700"}
    assert done(store, end(RefundEnd.DONE)).wallet.balance == 7_000_000


@pytest.mark.parametrize("how", [RefundEnd.DONE, RefundEnd.CANCELLED])
def test_a_refund_ends_once(how: RefundEnd) -> None:
    store = shop(pay(), hold(300), end(how))
    assert not done(store, end(how)).fresh
    for other in set(RefundEnd) - {how}:
        assert refused(store, end(other)).wire_reason == "REQUEST_CONFLICT"


def test_a_repeated_refund_is_one_refund_even_when_nothing_would_be_left_for_a_second() -> None:
    store = shop(pay(), hold(900))
    again = done(store, hold(900))
    assert (again.amount, again.fresh, again.wallet.reserved) == (9_000_000, False, 9_000_000)


@pytest.mark.parametrize("other", [hold(101), hold(reason="other"), hold(of="order2")])
def test_the_same_refund_with_other_content_is_a_conflict(other: HoldRefund) -> None:
    store = shop(pay(), hold(), orders={"order1": 1_000, "order2": 1_000})
    assert refused(store, other).wire_reason == "REQUEST_CONFLICT"


def test_nobody_sees_or_ends_a_refund_of_another() -> None:
    store = shop(pay(), hold(), GrantCredit("v", "g", 1, ""))
    assert refused(store, hold(user="v")).wire_reason == "REQUEST_CONFLICT"
    assert refused(store, hold(number="refund2", user="v")).wire_reason == "ORDER_NOT_FOUND"
    assert refused(store, end(RefundEnd.DONE, user="v")).wire_reason == "REFUND_NOT_FOUND"
    assert refused(store, end(RefundEnd.DONE, "refund9")).wire_reason == "REFUND_NOT_FOUND"


def test_what_was_not_paid_cannot_be_given_back() -> None:
    assert refused(shop(), hold()).wire_reason == "ORDER_NOT_PAID"


def test_what_was_spent_or_is_reserved_cannot_be_given_back() -> None:
    store = shop(pay(), *spend(300), Reserve("u", "open", "m", 500, 0, PRICE, 900))
    assert refused(store, hold(201)).metadata == {"refundable_fen": "200"}
    assert done(store, hold(200)).wallet.available == 0


def test_given_credit_is_never_paid_out() -> None:
    store = shop(GrantCredit("u", "g", 50_000_000, "trial"), pay())
    assert refused(store, hold(1_001)).metadata == {"refundable_fen": "1000"}


def test_spending_takes_given_credit_first_and_then_the_oldest_topup() -> None:
    # The example of rules.py: ¥1 given, ¥10 and then ¥20 paid, ¥12 spent.
    store = shop(
        GrantCredit("u", "g", 1_000_000, "trial"),
        pay("older", 1_000, transaction="a", day=0),
        pay("newer", 2_000, transaction="b", day=1),
        *spend(1_200),
        orders={"older": 1_000, "newer": 2_000},
    )
    assert refused(store, hold(1, of="older")).metadata == {"refundable_fen": "0"}
    assert done(store, hold(0, of="newer")).amount == 19_000_000


def test_the_age_of_a_topup_is_that_of_its_payment_whenever_we_heard_of_it() -> None:
    store = shop(
        pay("second", 1_000, transaction="b", day=2),
        pay("first", 1_000, transaction="a", day=1),
        *spend(1_000),
        orders={"first": 1_000, "second": 1_000},
    )
    assert refused(store, hold(1, "refund1", "first")).metadata == {"refundable_fen": "0"}
    assert done(store, hold(0, "refund2", "second")).amount == 10_000_000


def test_less_than_a_fen_is_not_given_back() -> None:
    store = shop(pay(fen=1), Reserve("u", "t", "m", 1, 0, Price(10**6, 0, 0, 0, 10**6), 9), orders={"order1": 1})
    assert store.wallets["u"].available == 9_999
    assert refused(store, hold(0)).metadata == {"refundable_fen": "0"}


@st.composite
def wallets(draw: st.DrawFn) -> tuple[list[Order], list[Refund], int]:
    """Paid orders, refunds of them, and what is available, as a sound ledger may have them."""
    paid, refunds = [], []
    for n in range(draw(st.integers(1, 5))):
        fen = draw(st.integers(1, 500))
        refunded = draw(st.integers(0, fen))
        held = draw(st.integers(0, fen - refunded))
        placed = order(f"order{n}", "u", fen)
        state = OrderState.REFUNDED if refunded == fen else OrderState.PAID
        at = NOW + timedelta(days=draw(st.integers(0, 2)))
        paid.append(replace(placed, state=state, paid_at=at, refunded_fen=refunded))
        if held:
            under_way = draw(st.sampled_from([RefundState.HELD, RefundState.ABNORMAL]))
            refunds.append(Refund(f"refund{n}", "u", "r", b"", f"order{n}", held, "", NOW, under_way))
    kept = sum(one.kept_micros for one in paid) - sum(refund.amount_micros for refund in refunds)
    return draw(st.permutations(paid)), refunds, draw(st.integers(0, kept + 1_000_000))


@given(wallets())
def test_all_that_can_be_given_back_together_is_no_more_than_is_available(
    wallet: tuple[list[Order], list[Refund], int],
) -> None:
    orders, held, available = wallet
    left = {one.out_trade_no: refundable_fen(one, available, orders, held) for one in orders}
    assert sum(left.values()) * MICROS_PER_FEN <= available
    for one in orders:
        under_way = sum(refund.amount_fen for refund in held if refund.out_trade_no == one.out_trade_no)
        assert 0 <= left[one.out_trade_no] <= one.amount_fen - one.refunded_fen - under_way


@given(wallets())
def test_when_an_older_topup_has_something_left_the_newer_ones_are_whole(
    wallet: tuple[list[Order], list[Refund], int],
) -> None:
    orders, held, available = wallet
    by_age = sorted(orders, key=lambda one: (one.paid_at or NOW, one.out_trade_no))
    for age, older in enumerate(by_age):
        if refundable_fen(older, available, orders, held):
            for newer in by_age[age + 1 :]:
                under_way = sum(refund.amount_fen for refund in held if refund.out_trade_no == newer.out_trade_no)
                whole = newer.amount_fen - newer.refunded_fen - under_way
                assert refundable_fen(newer, available, orders, held) == whole


def test_a_virtual_order_is_given_back_one_refund_at_a_time() -> None:
    """Virtual payment tells refunds apart by what is left of their order."""
    store = shop(pay())
    store.orders["order1"] = replace(store.orders["order1"], channel=Channel.VIRTUAL)
    done(store, hold(100, "refund1"))
    assert refused(store, hold(100, "refund2")).wire_reason == "REFUND_UNDER_WAY"
    done(store, end(RefundEnd.DONE))
    assert done(store, hold(100, "refund2")).amount == 100 * MICROS_PER_FEN
