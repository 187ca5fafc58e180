"""Orders, refunds, and what a payment provider says about them. Pure.

Money is int fen (CNY × 10⁻²) here, at the payment edge, and micro-yuan (CNY × 10⁻⁶) in the wallet; one fen is 10,000
micro-yuan, so nothing is rounded between the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

MICROS_PER_FEN = 10_000


class Channel(StrEnum):
    """How a user pays."""

    # A mini-program or a page inside WeChat: parameters for wx.requestPayment.
    JSAPI = "jsapi"
    # A browser: a code that the user scans with WeChat.
    NATIVE = "native"
    # As JSAPI, over the older API with XML.
    JSAPI_V2 = "jsapi_v2"
    # Virtual goods in a mini-program: parameters for wx.requestVirtualPayment.
    VIRTUAL = "virtual"


class OrderState(StrEnum):
    """The life of an order: created → paying → paid → refunded, or closed unpaid.

    A payment that arrives for a closed order is real money and makes it paid.
    """

    CREATED = "created"
    PAYING = "paying"
    PAID = "paid"
    REFUNDED = "refunded"
    CLOSED = "closed"


class RefundState(StrEnum):
    """The life of a refund: held in the wallet until the provider says how it ended.

    An abnormal refund did not reach the user's card: it stays held until an operator has looked at it.
    """

    HELD = "held"
    ABNORMAL = "abnormal"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Package:
    """Something that can be bought: a number of tokens, priced in micro-dollars for a million of them.

    Virtual payment sells products that are registered with WeChat, at `virtual_amount_fen`; None: not for sale there.
    """

    package_id: str
    name_zh: str
    name_en: str
    tokens: int
    usd_micros_per_million: int
    virtual_product_id: str = ""
    virtual_amount_fen: int | None = None


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays: WeChat's `openid` of the user, the session key of their last login, and where they ask from."""

    openid: str = ""
    session_key: str = field(default="", repr=False)
    client_ip: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """A top-up. `out_trade_no` is its id, ours and the provider's; `request_id` is the caller's."""

    out_trade_no: str
    user_id: str
    request_id: str
    input_sha256: bytes
    channel: Channel
    package_id: str
    tokens: int
    amount_fen: int
    description: str
    payer: Payer
    created_at: datetime
    expires_at: datetime
    state: OrderState = OrderState.CREATED
    # What the client hands to WeChat to pay, by WeChat's own names.
    parameters: Mapping[str, str] = field(default_factory=dict)
    virtual_product_id: str = ""
    transaction_id: str = ""
    paid_at: datetime | None = None
    refunded_fen: int = 0

    @property
    def credit_micros(self) -> int:
        """What the wallet receives, in micro-yuan: exactly what is paid."""
        return self.amount_fen * MICROS_PER_FEN

    @property
    def kept_micros(self) -> int:
        """What was paid and not given back, in micro-yuan."""
        return (self.amount_fen - self.refunded_fen) * MICROS_PER_FEN


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back. `out_refund_no` is its id, ours and the provider's; `request_id` is the caller's."""

    out_refund_no: str
    user_id: str
    request_id: str
    input_sha256: bytes
    out_trade_no: str
    amount_fen: int
    reason: str
    created_at: datetime
    state: RefundState = RefundState.HELD
    refund_id: str = ""
    closed_at: datetime | None = None

    @property
    def amount_micros(self) -> int:
        """What leaves the wallet, in micro-yuan."""
        return self.amount_fen * MICROS_PER_FEN


class TradeState(StrEnum):
    """What a provider says about an order."""

    UNPAID = "unpaid"
    PAID = "paid"
    # Paid once, and (partly) refunded since.
    REFUNDED = "refunded"
    CLOSED = "closed"
    # The provider has never heard of it.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Trade:
    """An order as its provider sees it; `amount_fen`, `transaction_id` and `paid_at` are set once it was paid."""

    out_trade_no: str
    state: TradeState
    amount_fen: int = 0
    currency: str = "CNY"
    transaction_id: str = ""
    openid: str = ""
    paid_at: datetime | None = None
    # The channel the money came through, when the provider says it.
    channel: Channel | None = None


class RefundProgress(StrEnum):
    """What a provider says about a refund."""

    PROCESSING = "processing"
    DONE = "done"
    # Refused or revoked: the money stays where it is.
    CLOSED = "closed"
    # The money could not reach the card: an operator must act at the provider.
    ABNORMAL = "abnormal"
    # The provider has never heard of it.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RefundStatus:
    """A refund as its provider sees it."""

    out_refund_no: str
    progress: RefundProgress
    out_trade_no: str = ""
    refund_id: str = ""
    amount_fen: int = 0


@dataclass(frozen=True, slots=True)
class Callback:
    """What arrived at a provider's callback address. Header names are in lower case."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Notice:
    """A callback that was verified: what it is about, and what tells it from a replay.

    `trade` or `refund` is set, or neither when it is about nothing of ours; `confirm` says that the notice is only a
    hint, and that the provider must be asked before money is credited.
    """

    nonce: str
    trade: Trade | None = None
    refund: RefundStatus | None = None
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a callback is answered: the provider repeats it until it is content."""

    status: int
    content_type: str = "application/json"
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class BillRow:
    """One row of a provider's daily bill: a payment, or a refund when `out_refund_no` is set."""

    out_trade_no: str
    transaction_id: str
    amount_fen: int
    out_refund_no: str = ""
    refund_id: str = ""
    refund_progress: RefundProgress | None = None
    fee_fen: int = 0
