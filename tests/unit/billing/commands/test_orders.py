"""`queqiao orders list`, `show`, `refund` and `reconcile`."""

from datetime import UTC, datetime

import pytest
from queqiao.billing.v1 import payments_pb2

from services.runtime.errors import Code, RemoteError
from tests.fakes.books import FakeBooks
from tests.unit.billing.commands.conftest import Queqiao, Ran
from tests.unit.billing.commands.test_turns import at, shown


def order(number: int, state: "payments_pb2.OrderState.ValueType", user: str = "u") -> payments_pb2.Order:
    return payments_pb2.Order(
        out_trade_no=f"order{number}",
        user_id=user,
        channel=payments_pb2.PAYMENT_CHANNEL_JSAPI,
        state=state,
        package_id="starter",
        tokens=1_000_000,
        amount_fen=1_420,
        refunded_fen=20,
        parameters={"paySign": "a signature"},
        create_time=at(datetime(2026, 10, 31, 16, tzinfo=UTC)),
    )


def numbers(printed: str) -> list[str]:
    return [line.split()[0] for line in printed.splitlines()[1:] if line.startswith("order")]


async def test_orders_are_listed_with_money_and_words(books: FakeBooks, queqiao: Queqiao) -> None:
    books.orders = [order(1, payments_pb2.ORDER_STATE_PAYING)]
    ran = await queqiao("orders", "list")
    assert ran.status == 0
    assert ran.printed.splitlines() == [
        "order   user  channel  state   amount  refunded  created                    paid",
        "order1  u     jsapi    paying  ¥14.20     ¥0.20  2026-11-01T00:00:00+08:00  -",
    ]


async def test_orders_are_listed_by_user_and_state(books: FakeBooks, queqiao: Queqiao) -> None:
    paid, closed = payments_pb2.ORDER_STATE_PAID, payments_pb2.ORDER_STATE_CLOSED
    books.orders = [order(1, paid), order(2, closed), order(3, paid, "other")]
    assert numbers((await queqiao("orders", "list")).printed) == ["order1", "order2", "order3"]
    assert numbers((await queqiao("orders", "list", "--state", "paid")).printed) == ["order1", "order3"]
    assert numbers((await queqiao("orders", "list", "--user", "u", "--state", "paid")).printed) == ["order1"]


@pytest.mark.parametrize(("limit", "listed", "more"), [(24, 24, True), (25, 25, False), (26, 25, False)])
async def test_orders_are_read_page_by_page_up_to_the_limit(
    books: FakeBooks, queqiao: Queqiao, limit: int, listed: int, more: bool
) -> None:
    books.orders = [order(n, payments_pb2.ORDER_STATE_PAID) for n in range(25)]
    books.page_max = 10
    ran = await queqiao("orders", "list", "--limit", str(limit))
    assert numbers(ran.printed) == [f"order{n}" for n in range(listed)]
    assert (f"There are more than {limit}" in ran.printed) is more


async def test_an_unknown_state_is_a_wrong_option(books: FakeBooks, queqiao: Queqiao) -> None:
    ran = await queqiao("orders", "list", "--state", "lost")
    assert (ran.status, books.asked) == (2, [])
    assert "--state" in ran.complaint


async def test_an_order_is_shown_without_what_signs_its_payment(books: FakeBooks, queqiao: Queqiao) -> None:
    books.answers["GetOrder"] = payments_pb2.GetOrderResponse(order=order(1, payments_pb2.ORDER_STATE_PAYING))
    ran = await queqiao("orders", "show", "--user", "u", "order1")
    assert books.asked == [payments_pb2.GetOrderRequest(user_id="u", out_trade_no="order1")]
    assert "signature" not in ran.printed
    assert shown(ran.printed) == {
        "order": "order1",
        "user": "u",
        "channel": "jsapi",
        "state": "paying",
        "package": "starter",
        "tokens": "1000000",
        "amount": "¥14.20",
        "refunded": "¥0.20",
        "transaction": "-",
        "created": "2026-11-01T00:00:00+08:00",
        "expires": "-",
        "paid": "-",
    }


REFUND = ("orders", "refund", "order1", "--request-id", "r", "--reason", "用户申请")


@pytest.mark.parametrize(
    ("options", "fen"), [((), 0), (("--yuan", "9.99"), 999), (("--yuan", "10"), 1_000), (("--yuan", "0.10"), 10)]
)
async def test_a_refund_is_of_what_was_said_or_of_all_that_is_left(
    books: FakeBooks, queqiao: Queqiao, options: tuple[str, ...], fen: int
) -> None:
    refund = payments_pb2.Refund(
        out_refund_no="refund1",
        out_trade_no="order1",
        user_id="u",
        amount_fen=999,
        state=payments_pb2.REFUND_STATE_HELD,
    )
    books.answers["CreateRefund"] = payments_pb2.CreateRefundResponse(refund=refund)
    said = "Refund refund1 of order order1: ¥9.99 to u, held in the wallet until the provider has finished.\n"
    assert await queqiao(*REFUND, *options) == Ran(0, said, "")
    assert books.asked == [
        payments_pb2.CreateRefundRequest(request_id="r", out_trade_no="order1", amount_fen=fen, reason="用户申请")
    ]


@pytest.mark.parametrize(
    ("state", "status", "words"),
    [
        (payments_pb2.REFUND_STATE_DONE, 0, "done."),
        (payments_pb2.REFUND_STATE_ABNORMAL, 1, "act at the provider."),
        (payments_pb2.REFUND_STATE_CANCELLED, 1, "refused by the provider"),
    ],
)
async def test_money_that_does_not_arrive_is_a_failing_status(
    books: FakeBooks, queqiao: Queqiao, state: "payments_pb2.RefundState.ValueType", status: int, words: str
) -> None:
    books.answers["CreateRefund"] = payments_pb2.CreateRefundResponse(refund=payments_pb2.Refund(state=state))
    ran = await queqiao(*REFUND)
    assert ran.status == status
    assert words in ran.printed


@pytest.mark.parametrize("yuan", ["0", "0.00", "0.001", "-1", "all", "1e2"])
async def test_what_is_no_refund_is_not_asked_for(books: FakeBooks, queqiao: Queqiao, yuan: str) -> None:
    ran = await queqiao(*REFUND, "--yuan", yuan)
    assert (ran.status, ran.printed, books.asked) == (2, "", [])
    assert "--yuan" in ran.complaint


async def test_a_refund_that_is_too_large_is_refused_in_a_sentence(books: FakeBooks, queqiao: Queqiao) -> None:
    books.trouble = RemoteError(Code.FAILED_PRECONDITION, "REFUND_TOO_LARGE", "Only 3 fen can be given back.")
    assert await queqiao(*REFUND, "--yuan", "5") == Ran(1, "", "Only 3 fen can be given back.")


RECONCILE = ("orders", "reconcile", "--provider", "wechatpay", "--day", "2026-11-01")


def report(**fields: int) -> payments_pb2.ReconcileResponse:
    both = {
        f"{side}_{what}": amount
        for side in ("bill", "book")
        for what, amount in (("payments", 2), ("paid_fen", 2_840), ("refunds", 1), ("refunded_fen", 20))
    }
    return payments_pb2.ReconcileResponse(**(both | fields))  # type: ignore[arg-type]  # all of these are ints


async def test_a_day_that_agrees_shows_both_sums(books: FakeBooks, queqiao: Queqiao) -> None:
    books.answers["Reconcile"] = report()
    ran = await queqiao(*RECONCILE)
    assert (ran.status, ran.complaint) == (0, "")
    assert ran.printed.splitlines() == [
        "2026-11-01  payments    paid  refunds  refunded",
        "bill               2  ¥28.40        1     ¥0.20",
        "books              2  ¥28.40        1     ¥0.20",
        "",
        "The books agree with the bill.",
    ]
    assert books.asked == [payments_pb2.ReconcileRequest(provider="wechatpay", day="2026-11-01")]


async def test_every_difference_is_shown_and_fails(books: FakeBooks, queqiao: Queqiao) -> None:
    answer = report(bill_paid_fen=2_841)
    answer.differences.add(
        kind=payments_pb2.DIFFERENCE_KIND_AMOUNT, out_trade_no="order1", bill_fen=1_421, book_fen=1_420
    )
    answer.differences.add(
        kind=payments_pb2.DIFFERENCE_KIND_MISSING_IN_BOOKS, out_trade_no="order2", out_refund_no="refund1", bill_fen=20
    )
    books.answers["Reconcile"] = answer
    ran = await queqiao(*RECONCILE)
    assert ran.status == 1
    assert [line.split() for line in ran.printed.splitlines()[4:]] == [
        ["difference", "order", "refund", "bill", "books"],
        ["amount", "order1", "-", "¥14.21", "¥14.20"],
        ["missing_in_books", "order2", "refund1", "¥0.20", "¥0.00"],
        [],
        ["The", "books", "differ", "from", "the", "bill:", "2", "times."],
    ]


async def test_what_is_no_day_is_not_compared(books: FakeBooks, queqiao: Queqiao) -> None:
    ran = await queqiao("orders", "reconcile", "--provider", "wechatpay", "--day", "yesterday")
    assert (ran.status, books.asked) == (2, [])
    assert "is no day, such as 2026-11-30" in ran.complaint
