"""Protos to orders and refunds and back; a request that does not fit is refused here, field by field."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from queqiao.billing.v1 import payments_pb2

from services.billing.payments.cashier import Offer, Purchase
from services.billing.payments.domain import (
    Answer,
    Callback,
    Channel,
    Order,
    OrderState,
    Payer,
    Refund,
    RefundState,
)
from services.billing.payments.reconciliation import Difference, DifferenceKind, Report, day_of
from services.runtime.errors import InvalidRequestError

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ID_RULE = "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -"
_PACKAGE = re.compile(r"[a-z0-9_-]{1,64}")
_NUMBER = re.compile(r"[0-9A-Za-z]{6,32}")
_TOKENS_MIN, _TOKENS_MAX = 1_000, 100_000_000
_FEN_MAX = 100_000_000
_REASON_CHARACTERS_MAX = 80
_SECRET_CHARACTERS_MAX = 256
_CALLBACK_BYTES_MAX = 1024 * 1024
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Before there was anything to pay.
_DAY_MIN = date(2000, 1, 1)
_PAGE_DEFAULT, _PAGE_MAX = 50, 1_000

_CHANNELS = {
    payments_pb2.PAYMENT_CHANNEL_JSAPI: Channel.JSAPI,
    payments_pb2.PAYMENT_CHANNEL_NATIVE: Channel.NATIVE,
    payments_pb2.PAYMENT_CHANNEL_JSAPI_V2: Channel.JSAPI_V2,
    payments_pb2.PAYMENT_CHANNEL_VIRTUAL: Channel.VIRTUAL,
}
_CHANNELS_OUT = {channel: number for number, channel in _CHANNELS.items()}
_STATES = {
    payments_pb2.ORDER_STATE_CREATED: OrderState.CREATED,
    payments_pb2.ORDER_STATE_PAYING: OrderState.PAYING,
    payments_pb2.ORDER_STATE_PAID: OrderState.PAID,
    payments_pb2.ORDER_STATE_REFUNDED: OrderState.REFUNDED,
    payments_pb2.ORDER_STATE_CLOSED: OrderState.CLOSED,
}
_STATES_OUT = {state: number for number, state in _STATES.items()}
_REFUND_STATES = {
    RefundState.HELD: payments_pb2.REFUND_STATE_HELD,
    RefundState.ABNORMAL: payments_pb2.REFUND_STATE_ABNORMAL,
    RefundState.DONE: payments_pb2.REFUND_STATE_DONE,
    RefundState.CANCELLED: payments_pb2.REFUND_STATE_CANCELLED,
}
_DIFFERENCES = {
    DifferenceKind.MISSING_IN_BOOKS: payments_pb2.DIFFERENCE_KIND_MISSING_IN_BOOKS,
    DifferenceKind.MISSING_IN_BILL: payments_pb2.DIFFERENCE_KIND_MISSING_IN_BILL,
    DifferenceKind.AMOUNT: payments_pb2.DIFFERENCE_KIND_AMOUNT,
    DifferenceKind.STATE: payments_pb2.DIFFERENCE_KIND_STATE,
    DifferenceKind.TWICE_IN_BILL: payments_pb2.DIFFERENCE_KIND_TWICE_IN_BILL,
}


def purchase(request: payments_pb2.CreateOrderRequest) -> Purchase:
    """What is bought, and by whom."""
    wrong: dict[str, str] = {}
    for name, value in (("request_id", request.request_id), ("user_id", request.user_id)):
        if not _ID.fullmatch(value):
            wrong[name] = _ID_RULE
    match request.WhichOneof("item"):
        case "package_id" if not _PACKAGE.fullmatch(request.package_id):
            wrong["package_id"] = "must be 1 to 64 characters of a-z, 0-9, _ and -"
        case "tokens" if not _TOKENS_MIN <= request.tokens <= _TOKENS_MAX:
            wrong["tokens"] = f"must be {_TOKENS_MIN} to {_TOKENS_MAX}"
        case None:
            wrong["package_id"] = "or tokens is required"
    if request.channel not in _CHANNELS:
        wrong["channel"] = "must be one that payments.proto names"
    payer = request.payer
    if not _printable(payer.openid):
        wrong["payer.openid"] = "must be what WeChat gave for this user"
    if not _printable(payer.session_key):
        wrong["payer.session_key"] = "must be what WeChat gave for this user"
    if not _is_address(payer.client_ip):
        wrong["payer.client_ip"] = "must be an IPv4 or IPv6 address"
    _demand(wrong)
    return Purchase(
        user_id=request.user_id,
        request_id=request.request_id,
        channel=_CHANNELS[request.channel],
        payer=Payer(payer.openid, payer.session_key, payer.client_ip),
        package_id=request.package_id,
        tokens=request.tokens,
    )


def order_key(request: payments_pb2.GetOrderRequest) -> tuple[str, str]:
    """user_id and out_trade_no."""
    wrong: dict[str, str] = {}
    if not _ID.fullmatch(request.user_id):
        wrong["user_id"] = _ID_RULE
    if not _NUMBER.fullmatch(request.out_trade_no):
        wrong["out_trade_no"] = "must be 6 to 32 letters and digits"
    _demand(wrong)
    return request.user_id, request.out_trade_no


def page(
    request: payments_pb2.ListOrdersRequest,
) -> tuple[str, OrderState | None, tuple[datetime, str] | None, int]:
    """user_id, state, where the page before ended, and how many."""
    wrong: dict[str, str] = {}
    if request.user_id and not _ID.fullmatch(request.user_id):
        wrong["user_id"] = _ID_RULE
    if request.state and request.state not in _STATES:
        wrong["state"] = "must be one that payments.proto names"
    if not 0 <= request.page_size <= _PAGE_MAX:
        wrong["page_size"] = f"must be 0 to {_PAGE_MAX}"
    before = None
    if request.page_token:
        try:
            before = _position(request.page_token)
        except ValueError:
            wrong["page_token"] = "must be the next_page_token of the page before"  # noqa: S105  # no password
    _demand(wrong)
    return request.user_id, _STATES.get(request.state), before, request.page_size or _PAGE_DEFAULT


def next_page_token(last: Order) -> str:
    """Where a page ended."""
    return base64.urlsafe_b64encode(f"{last.created_at.isoformat()} {last.out_trade_no}".encode()).decode()


def callback(request: payments_pb2.HandleCallbackRequest) -> Callback:
    """What arrived."""
    if len(request.body) > _CALLBACK_BYTES_MAX:
        raise InvalidRequestError("body is too long.", fields={"body": f"must be at most {_CALLBACK_BYTES_MAX} bytes"})
    return Callback(dict(request.headers), dict(request.query), request.body)


def refund_request(request: payments_pb2.CreateRefundRequest) -> None:
    """Refuse what cannot be a refund."""
    wrong: dict[str, str] = {}
    if not _ID.fullmatch(request.request_id):
        wrong["request_id"] = _ID_RULE
    if not _NUMBER.fullmatch(request.out_trade_no):
        wrong["out_trade_no"] = "must be 6 to 32 letters and digits"
    if not 0 <= request.amount_fen <= _FEN_MAX:
        wrong["amount_fen"] = f"must be 0 to {_FEN_MAX}"
    if len(request.reason) > _REASON_CHARACTERS_MAX or not request.reason.isprintable():
        wrong["reason"] = f"must be at most {_REASON_CHARACTERS_MAX} printable characters"
    _demand(wrong)


def day(request: payments_pb2.ReconcileRequest) -> date:
    """The day to compare."""
    try:
        day = date.fromisoformat(request.day if _DAY.fullmatch(request.day) else "")
    except ValueError:
        raise InvalidRequestError("day must be a date.", fields={"day": "must be YYYY-MM-DD"}) from None
    if not _DAY_MIN <= day <= day_of(datetime.now(UTC)):
        raise InvalidRequestError("day must be in the past.", fields={"day": f"must be {_DAY_MIN} to today in UTC+8"})
    return day


def order(order: Order) -> payments_pb2.Order:
    """An order on the wire."""
    return payments_pb2.Order(
        out_trade_no=order.out_trade_no,
        user_id=order.user_id,
        channel=_CHANNELS_OUT[order.channel],
        state=_STATES_OUT[order.state],
        package_id=order.package_id,
        tokens=order.tokens,
        amount_fen=order.amount_fen,
        refunded_fen=order.refunded_fen,
        parameters=order.parameters if order.state is OrderState.PAYING else {},
        transaction_id=order.transaction_id,
        create_time=_timestamp(order.created_at),
        expire_time=_timestamp(order.expires_at),
        pay_time=_timestamp(order.paid_at) if order.paid_at else None,
    )


def package(offer: Offer) -> payments_pb2.Package:
    """A package on the wire."""
    return payments_pb2.Package(
        package_id=offer.package.package_id,
        name_zh=offer.package.name_zh,
        name_en=offer.package.name_en,
        tokens=offer.package.tokens,
        amount_fen=offer.amount_fen,
        channels=channels(offer.channels),
        virtual_amount_fen=(offer.package.virtual_amount_fen or 0) if Channel.VIRTUAL in offer.channels else 0,
    )


def channels(some: Iterable[Channel]) -> "list[payments_pb2.PaymentChannel.ValueType]":
    """Ways to pay on the wire."""
    return [_CHANNELS_OUT[channel] for channel in some]


def answer(answer: Answer) -> payments_pb2.HandleCallbackResponse:
    """What a callback is answered."""
    return payments_pb2.HandleCallbackResponse(status=answer.status, content_type=answer.content_type, body=answer.body)


def refund(refund: Refund) -> payments_pb2.Refund:
    """A refund on the wire."""
    return payments_pb2.Refund(
        out_refund_no=refund.out_refund_no,
        out_trade_no=refund.out_trade_no,
        user_id=refund.user_id,
        amount_fen=refund.amount_fen,
        reason=refund.reason,
        state=_REFUND_STATES[refund.state],
        create_time=_timestamp(refund.created_at),
        close_time=_timestamp(refund.closed_at) if refund.closed_at else None,
    )


def report(report: Report) -> payments_pb2.ReconcileResponse:
    """How a day compares."""
    return payments_pb2.ReconcileResponse(
        bill_payments=report.bill.payments,
        bill_paid_fen=report.bill.paid_fen,
        bill_refunds=report.bill.refunds,
        bill_refunded_fen=report.bill.refunded_fen,
        book_payments=report.books.payments,
        book_paid_fen=report.books.paid_fen,
        book_refunds=report.books.refunds,
        book_refunded_fen=report.books.refunded_fen,
        differences=map(_difference, report.differences),
    )


def _difference(difference: Difference) -> payments_pb2.Difference:
    return payments_pb2.Difference(
        kind=_DIFFERENCES[difference.kind],
        out_trade_no=difference.out_trade_no,
        out_refund_no=difference.out_refund_no,
        bill_fen=difference.bill_fen,
        book_fen=difference.book_fen,
    )


def _demand(wrong: dict[str, str]) -> None:
    if wrong:
        name, why = next(iter(wrong.items()))
        raise InvalidRequestError(f"{name} {why}.", fields=wrong)


def _printable(value: str) -> bool:
    return len(value) <= _SECRET_CHARACTERS_MAX and value.isascii() and (not value or value.isprintable())


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _position(token: str) -> tuple[datetime, str]:
    try:
        moment, number = base64.urlsafe_b64decode(token.encode()).decode().split(" ")
        at = datetime.fromisoformat(moment).astimezone(UTC)
    except (binascii.Error, UnicodeError, OverflowError) as error:
        raise ValueError from error
    if not _NUMBER.fullmatch(number):
        raise ValueError
    return at, number


def _timestamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
