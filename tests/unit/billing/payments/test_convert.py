"""What does not fit is refused before anything is bought, given back or compared, field by field."""

import base64
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from queqiao.billing.v1 import payments_pb2

from services.billing.payments import convert
from services.billing.payments.cashier import Purchase
from services.billing.payments.domain import Channel, Order, OrderState, Payer, Refund, RefundState
from services.billing.payments.reconciliation import Difference, DifferenceKind, Report, Side, day_of
from services.runtime.errors import InvalidRequestError

NOW = datetime(2026, 3, 1, 12, 30, 15, 123_456, UTC)
NUMBER = "Q20260301123015abcdef0123456789a"
ORDER = Order(
    out_trade_no=NUMBER,
    user_id="u",
    request_id="r",
    input_sha256=b"",
    channel=Channel.JSAPI,
    package_id="small",
    tokens=100_000,
    amount_fen=142,
    description="",
    payer=Payer("o"),
    created_at=NOW,
    expires_at=NOW + timedelta(minutes=15),
    state=OrderState.PAYING,
    parameters={"package": "prepay_id=x"},
)


def payer(**fields: str) -> payments_pb2.Payer:
    return payments_pb2.Payer(**{"openid": "o", "session_key": "k", "client_ip": "203.0.113.7"} | fields)


def buy(**fields: object) -> payments_pb2.CreateOrderRequest:
    known: dict[str, object] = {"request_id": "r", "user_id": "u", "channel": 1, "payer": payer()}
    if "tokens" not in fields:
        known["package_id"] = "small"
    return payments_pb2.CreateOrderRequest(**known | fields)  # type: ignore[arg-type]  # a table of wrong fields


def refund(**fields: object) -> payments_pb2.CreateRefundRequest:
    known: dict[str, object] = {"request_id": "r", "out_trade_no": NUMBER, "amount_fen": 1}
    return payments_pb2.CreateRefundRequest(**known | fields)  # type: ignore[arg-type]  # a table of wrong fields


def listing(**fields: object) -> payments_pb2.ListOrdersRequest:
    return payments_pb2.ListOrdersRequest(**fields)  # type: ignore[arg-type]  # a table of wrong fields


def token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def converted(request: Message) -> object:
    match request:
        case payments_pb2.CreateOrderRequest():
            return convert.purchase(request)
        case payments_pb2.GetOrderRequest():
            return convert.order_key(request)
        case payments_pb2.ListOrdersRequest():
            return convert.page(request)
        case payments_pb2.HandleCallbackRequest():
            return convert.callback(request)
        case payments_pb2.CreateRefundRequest():
            convert.refund_request(request)
            return None
        case payments_pb2.ReconcileRequest():
            return convert.day(request)
    raise AssertionError(f"no converter for {request}")


def day(text: str) -> payments_pb2.ReconcileRequest:
    return payments_pb2.ReconcileRequest(provider="wechatpay", day=text)


def day_to_come() -> str:
    """Not tomorrow, which may have become today when the test runs."""
    return (day_of(datetime.now(UTC)) + timedelta(days=2)).isoformat()


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (buy(request_id=""), ["request_id"]),
        (buy(request_id="r" * 65), ["request_id"]),
        (buy(request_id="r\n"), ["request_id"]),
        (buy(user_id="老王"), ["user_id"]),
        (buy(package_id=""), ["package_id"]),
        (buy(package_id="Small"), ["package_id"]),
        (buy(tokens=0), ["tokens"]),
        (buy(tokens=-1_000), ["tokens"]),
        (buy(tokens=999), ["tokens"]),
        (buy(tokens=100_000_001), ["tokens"]),
        (
            payments_pb2.CreateOrderRequest(
                request_id="r", user_id="u", channel=payments_pb2.PAYMENT_CHANNEL_JSAPI, payer=payer()
            ),
            ["package_id"],
        ),
        (buy(channel=0), ["channel"]),
        (buy(channel=77), ["channel"]),
        (buy(payer=payer(openid="o" * 257)), ["payer.openid"]),
        (buy(payer=payer(openid="o\x00")), ["payer.openid"]),
        (buy(payer=payer(session_key="键")), ["payer.session_key"]),
        (buy(payer=payer(client_ip="")), ["payer.client_ip"]),
        (buy(payer=payer(client_ip="203.0.113")), ["payer.client_ip"]),
        (payments_pb2.CreateOrderRequest(), ["request_id", "user_id", "package_id", "channel", "payer.client_ip"]),
        (payments_pb2.GetOrderRequest(), ["user_id", "out_trade_no"]),
        (payments_pb2.GetOrderRequest(user_id="u", out_trade_no="Q' OR 1=1"), ["out_trade_no"]),
        (payments_pb2.GetOrderRequest(user_id="u", out_trade_no="Q" * 33), ["out_trade_no"]),
        (listing(user_id="u u"), ["user_id"]),
        (listing(state=99), ["state"]),
        (listing(page_size=-1), ["page_size"]),
        (listing(page_size=1_001), ["page_size"]),
        (listing(page_token="junk"), ["page_token"]),
        (listing(page_token="!"), ["page_token"]),
        (listing(page_token="令牌"), ["page_token"]),
        (listing(page_token=token(" ")), ["page_token"]),
        (listing(page_token=token(f"yesterday {NUMBER}")), ["page_token"]),
        (listing(page_token=token(f"{NOW.isoformat()} Q' OR 1=1")), ["page_token"]),
        (listing(page_token=token(f"{NOW.isoformat()} \x00")), ["page_token"]),
        (listing(page_token=token(f"0001-01-01T00:00:00+14:00 {NUMBER}")), ["page_token"]),
        (payments_pb2.HandleCallbackRequest(body=bytes(1024 * 1024 + 1)), ["body"]),
        (refund(request_id="r r"), ["request_id"]),
        (refund(out_trade_no=""), ["out_trade_no"]),
        (refund(amount_fen=-1), ["amount_fen"]),
        (refund(amount_fen=100_000_001), ["amount_fen"]),
        (refund(reason="长" * 81), ["reason"]),
        (refund(reason="a\nb"), ["reason"]),
        (day(""), ["day"]),
        (day("20260301"), ["day"]),
        (day("2026-W09-7"), ["day"]),
        (day("2026-02-30"), ["day"]),
        (day("1999-12-31"), ["day"]),
        (day("0001-01-01"), ["day"]),
        (day("9999-12-31"), ["day"]),
        (day(day_to_come()), ["day"]),
    ],
)
def test_a_field_that_does_not_fit_is_named(request_: Message, fields: list[str]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        converted(request_)
    assert list(caught.value.fields) == fields


def test_what_fits_is_read_as_it_was_written() -> None:
    someone = Payer("o", "k", "203.0.113.7")
    assert converted(buy()) == Purchase("u", "r", Channel.JSAPI, someone, "small")
    assert converted(buy(tokens=1_000, channel=4)) == Purchase("u", "r", Channel.VIRTUAL, someone, tokens=1_000)
    assert converted(payments_pb2.GetOrderRequest(user_id="u", out_trade_no=NUMBER)) == ("u", NUMBER)
    assert converted(listing()) == ("", None, None, 50)
    assert converted(listing(user_id="u", state=3, page_size=1_000)) == ("u", OrderState.PAID, None, 1_000)
    assert converted(refund(reason="退款 for 老王")) is None
    assert converted(day("2026-03-01")) == date(2026, 3, 1)
    assert converted(day(day_of(datetime.now(UTC)).isoformat())) == day_of(datetime.now(UTC))


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # bounds
    st.from_regex(r"[0-9A-Za-z]{6,32}", fullmatch=True),
)
def test_a_page_token_says_where_the_page_ended(moment: datetime, number: str) -> None:
    last = replace(ORDER, created_at=moment, out_trade_no=number)
    page = convert.page(listing(page_token=convert.next_page_token(last)))
    assert page == ("", None, (moment, number), 50)


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda junk: base64.urlsafe_b64encode(junk).decode()))
def test_junk_for_a_page_token_is_refused(junk: str) -> None:
    if junk:
        with pytest.raises(InvalidRequestError):
            convert.page(listing(page_token=junk))


@pytest.mark.parametrize("state", OrderState)
def test_only_an_order_that_waits_for_payment_says_how_to_pay_it(state: OrderState) -> None:
    said = convert.order(replace(ORDER, state=state))
    assert bool(said.parameters) == (state is OrderState.PAYING)
    assert payments_pb2.OrderState.Name(said.state) == f"ORDER_STATE_{state.name}"


def test_an_order_says_everything_but_who_pays() -> None:
    said = convert.order(replace(ORDER, state=OrderState.PAID, transaction_id="T1", paid_at=NOW, refunded_fen=42))
    assert (said.amount_fen, said.refunded_fen, said.transaction_id) == (142, 42, "T1")
    assert said.create_time.ToDatetime(UTC) == said.pay_time.ToDatetime(UTC) == NOW
    assert not convert.order(ORDER).HasField("pay_time")


@pytest.mark.parametrize("state", RefundState)
def test_every_state_of_a_refund_has_a_name(state: RefundState) -> None:
    said = convert.refund(Refund("R1", "u", "r", b"", NUMBER, 42, "why", NOW, state))
    assert payments_pb2.RefundState.Name(said.state) == f"REFUND_STATE_{state.name}"
    assert (said.out_trade_no, said.amount_fen, said.HasField("close_time")) == (NUMBER, 42, False)


def test_a_report_says_both_sides_and_every_kind_of_difference() -> None:
    differences = tuple(Difference(kind, "Q1", "R1", 1, 2) for kind in DifferenceKind)
    said = convert.report(Report(Side(1, 2, 3, 4), Side(5, 6, 7, 8), differences))
    assert [
        (said.bill_payments, said.bill_paid_fen, said.bill_refunds, said.bill_refunded_fen),
        (said.book_payments, said.book_paid_fen, said.book_refunds, said.book_refunded_fen),
    ] == [(1, 2, 3, 4), (5, 6, 7, 8)]
    names = [payments_pb2.DifferenceKind.Name(one.kind) for one in said.differences]
    assert names == [f"DIFFERENCE_KIND_{kind.name}" for kind in DifferenceKind]
