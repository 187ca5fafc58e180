"""What providers say, in our words: states, amounts, times, refusals. Pure.

Source: WeChat Pay's documents.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar

from services.billing.payments.domain import Channel, Order, Refund, RefundProgress, RefundStatus, TradeState
from services.billing.payments.errors import (
    CallbackRefusedError,
    ChannelUnavailableError,
    PaymentRefusedError,
    PaymentUnavailableError,
)

# WeChat's clock, on every document and bill.
BEIJING = timezone(timedelta(hours=8))

# A real callback is a few kilobytes.
CALLBACK_BYTES_MAX = 64 * 1024

_CALLBACK_AGE_S_MAX = 300
_RETRY_AFTER_S = 2
_CENTURY_END_S = 4_102_444_800

TRADE_STATES: Mapping[str, TradeState] = {
    "SUCCESS": TradeState.PAID,
    "REFUND": TradeState.REFUNDED,
    "NOTPAY": TradeState.UNPAID,
    "USERPAYING": TradeState.UNPAID,
    "PAYERROR": TradeState.UNPAID,
    "CLOSED": TradeState.CLOSED,
    "REVOKED": TradeState.CLOSED,
}

REFUND_STATES: Mapping[str, RefundProgress] = {
    "SUCCESS": RefundProgress.DONE,
    "PROCESSING": RefundProgress.PROCESSING,
    "ABNORMAL": RefundProgress.ABNORMAL,
    "CLOSED": RefundProgress.CLOSED,
    # The older API's names of the last two.
    "CHANGE": RefundProgress.ABNORMAL,
    "REFUNDCLOSE": RefundProgress.CLOSED,
}

# The older API writes most codes without underscores.
_TRANSIENT = frozenset({
    "SYSTEM_ERROR",
    "SYSTEMERROR",
    "BANK_ERROR",
    "BANKERROR",
    "FREQUENCY_LIMITED",
    "FREQUENCY_LIMIT_EXCEED",
    "RATELIMIT_EXCEEDED",
    "INVALID_REQ_TOO_MUCH",
    "BIZERR_NEED_RETRY",
    "STATEMENT_CREATING",
})  # fmt: skip
ORDER_UNKNOWN = frozenset({"ORDER_NOT_EXIST", "ORDERNOTEXIST"})
ORDER_CLOSED = frozenset({"ORDER_CLOSED", "ORDERCLOSED"})
REFUND_UNKNOWN = frozenset({"RESOURCE_NOT_EXISTS", "REFUND_NOT_EXIST", "REFUNDNOTEXIST"}) | ORDER_UNKNOWN
BILL_EMPTY = frozenset({"NO_STATEMENT_EXIST", "NO_BILL_EXIST"})

_T = TypeVar("_T")


class MismatchError(ValueError):
    """Something that a provider said is malformed or not about us; the message is one word for logs and metrics."""


def unavailable(provider: str) -> PaymentUnavailableError:
    """The provider does not answer, or answers what cannot be believed."""
    return PaymentUnavailableError(
        "The payment provider does not answer; try again shortly.",
        metadata={"provider": provider},
        retry_after_s=_RETRY_AFTER_S,
    )


def refusal(provider: str, code: str) -> PaymentRefusedError | PaymentUnavailableError:
    """What a provider's error code means: whether it passes by itself, or is a no for good."""
    if code in _TRANSIENT:
        return unavailable(provider)
    return PaymentRefusedError(
        f"The payment provider refuses with {code}; look the code up in its documents.",
        metadata={"provider": provider, "provider_code": code},
    )


def is_refused_with(error: PaymentRefusedError, codes: frozenset[str]) -> bool:
    """Whether the provider gave one of these codes."""
    return error.metadata.get("provider_code") in codes


def needs_openid(order: Order) -> ChannelUnavailableError:
    """The order names nobody who could pay it in this way."""
    return ChannelUnavailableError(
        "This way of paying needs a user who logged in through WeChat: log in there and order again.",
        metadata={"channel": order.channel.value},
    )


def check_channel(order: Order, channels: frozenset[Channel]) -> None:
    """Refuse an order that is paid in none of these ways.

    Raises:
        ChannelUnavailableError: It is somebody else's.
    """
    if order.channel not in channels:
        raise ChannelUnavailableError(
            "This provider does not take this way of paying.", metadata={"channel": order.channel.value}
        )


def check_body(body: bytes) -> None:
    """Refuse a callback that no provider would send.

    Raises:
        CallbackRefusedError: It is empty or huge.
    """
    if not 0 < len(body) <= CALLBACK_BYTES_MAX:
        raise CallbackRefusedError("size")


def check_fresh(timestamp: str, now: datetime) -> None:
    """Refuse a callback that was not signed within the last (or, by a fast clock, next) five minutes.

    Args:
        timestamp: When it was signed, in seconds since 1970.
        now: The time, with its zone.

    Raises:
        CallbackRefusedError: It is stale, or says no time.
    """
    if re.fullmatch(r"[0-9]{1,12}", timestamp) is None:
        raise CallbackRefusedError("timestamp")
    if abs(now.timestamp() - int(timestamp)) >= _CALLBACK_AGE_S_MAX:
        raise CallbackRefusedError("stale")


def check_ours(said: object, ours: object, name: str) -> None:
    """Insist that a field says what we know.

    Raises:
        MismatchError: It says something else, or nothing.
    """
    if said != ours:
        raise MismatchError(name)


def meaning(states: Mapping[str, _T], said: object) -> _T:
    """What a state's name means.

    Raises:
        MismatchError: The name is unknown.
    """
    if not isinstance(said, str) or said not in states:
        raise MismatchError("state")
    return states[said]


def text(document: Mapping[str, object], name: str) -> str:
    """A field that must be there.

    Raises:
        MismatchError: It is not, or is no text.
    """
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise MismatchError(name)
    return value


def part(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    """An object within an object; empty when it is missing.

    Raises:
        MismatchError: It is something else.
    """
    value = document.get(name, {})
    if not isinstance(value, dict):
        raise MismatchError(name)
    return value


def fen(value: object) -> int:
    """An amount in fen: an integer, or digits as XML has them.

    Raises:
        MismatchError: It is neither, or below zero.
    """
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value):
        value = int(value)
    if type(value) is not int or value < 0:
        raise MismatchError("amount")
    return value


def rfc3339(moment: datetime) -> str:
    """A time as APIv3 has it: 2018-06-08T10:34:56+08:00."""
    return moment.astimezone(BEIJING).isoformat(timespec="seconds")


def parse_rfc3339(said: str) -> datetime:
    """The reverse.

    Raises:
        MismatchError: It is no time, or names no zone.
    """
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        raise MismatchError("time") from None
    if moment.tzinfo is None:
        raise MismatchError("time")
    return moment


def parse_compact(said: str) -> datetime:
    """A time as the older API has it, in Beijing: 20180608103456.

    Raises:
        MismatchError: It is no time.
    """
    if re.fullmatch(r"[0-9]{14}", said) is None:
        raise MismatchError("time")
    try:
        return datetime.strptime(said, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
    except ValueError:
        raise MismatchError("time") from None


def parse_epoch(said: object) -> datetime:
    """A time in seconds since 1970.

    Raises:
        MismatchError: It is no such number, or none of this century.
    """
    if type(said) is not int or not 0 < said < _CENTURY_END_S:
        raise MismatchError("time")
    return datetime.fromtimestamp(said, UTC)


def checked(status: RefundStatus, refund: Refund) -> RefundStatus:
    """A refund's status, if it is about this refund.

    Raises:
        MismatchError: It is about another.
    """
    check_ours(status.out_refund_no, refund.out_refund_no, "out_refund_no")
    check_ours(status.out_trade_no, refund.out_trade_no, "out_trade_no")
    if status.amount_fen != refund.amount_fen:
        raise MismatchError("amount")
    return status
