"""The trade book: orders and refunds with the states that WeChat Pay gives them.

It is kept as a journal, one JSON line per change with the whole record, so it survives a restart and a kill. Money is
int fen (CNY × 10⁻²). Source: WeChat Pay's documents.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from sandbox.wechat.merchant import random_digits

# WeChat's clock on every document and bill.
BEIJING = timezone(timedelta(hours=8))


class Api(StrEnum):
    """By which API an order was placed, and so in which form its notices are."""

    V3 = "v3"
    V2 = "v2"
    VIRTUAL = "virtual"


class TradeState(StrEnum):
    """`trade_state`; the states of code payments do not occur."""

    NOTPAY = "NOTPAY"
    SUCCESS = "SUCCESS"
    REFUND = "REFUND"
    CLOSED = "CLOSED"


class RefundState(StrEnum):
    """`status` of a refund."""

    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    ABNORMAL = "ABNORMAL"
    CLOSED = "CLOSED"


class Problem(StrEnum):
    """Why a wish is refused; each API has its own codes for these."""

    ORDER_NOT_EXIST = "订单不存在"
    OUT_TRADE_NO_USED = "商户订单号重复：请求重入时，参数与首次请求时不一致"
    ORDER_PAID = "该订单已支付"
    ORDER_NOT_PAID = "订单未支付，不能退款"
    ORDER_CLOSED = "该订单已关闭"
    OTHER_PAYER = "支付者与下单时的openid不一致"
    REFUND_NOT_EXIST = "退款单不存在"
    REFUND_CHANGED = "退款单号已使用，且金额或订单与之前的请求不一致"
    TOTAL_DIFFERS = "订单金额与原订单不一致"
    REFUND_TOO_LARGE = "累计退款金额大于支付金额"


class TradeRefusedError(Exception):
    """A wish that the trade's rules refuse."""

    def __init__(self, problem: Problem) -> None:
        """Name the problem."""
        super().__init__(problem.value)
        self.problem = problem


@dataclass(frozen=True)
class Order:
    """One trade."""

    out_trade_no: str
    api: Api
    # JSAPI or NATIVE.
    trade_type: str
    description: str
    amount_fen: int
    notify_url: str
    created_at: datetime
    # Everything the merchant said: another request with the same number must say the same.
    parameters: Mapping[str, Any]
    # Who pays; empty for NATIVE until somebody has.
    openid: str = ""
    attach: str = ""
    expires_at: datetime | None = None
    # v3: the merchant verifies by the WeChat Pay public key, not by the platform's certificate.
    public_key: bool = True
    # v2: MD5 or HMAC-SHA256.
    sign_type: str = "MD5"
    state: TradeState = TradeState.NOTPAY
    prepay_id: str = ""
    transaction_id: str = ""
    paid_at: datetime | None = None
    # Virtual payment: whether the merchant has confirmed that the goods were handed over.
    delivered: bool = False


@dataclass(frozen=True)
class Refund:
    """Money on its way back to a payer."""

    out_refund_no: str
    out_trade_no: str
    amount_fen: int
    created_at: datetime
    total_fen: int
    reason: str = ""
    notify_url: str = ""
    public_key: bool = True
    refund_id: str = ""
    state: RefundState = RefundState.PROCESSING
    ended_at: datetime | None = None


class _Line(msgspec.Struct, omit_defaults=True):
    """One change in the journal."""

    order: Order | None = None
    refund: Refund | None = None


def now() -> datetime:
    """The time on WeChat's clock, in whole seconds."""
    return datetime.now(BEIJING).replace(microsecond=0)


@dataclass
class TradeBook:
    """Everything a merchant sold. Its methods decide; whoever calls them notifies."""

    file: Path
    orders: dict[str, Order] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the journal."""
        lines = self.file.read_bytes().splitlines(keepends=True) if self.file.exists() else []
        whole = [line for line in lines if line.endswith(b"\n")]
        for line in whole:
            self._remember(msgspec.json.decode(line, type=_Line))
        # A kill can leave half a line, to which the next one would be glued.
        if len(whole) < len(lines):
            self.file.write_bytes(b"".join(whole))

    def find(self, out_trade_no: str) -> Order:
        """An order, closed if its time is over.

        Raises:
            TradeRefusedError: There is none.
        """
        order = self.orders.get(out_trade_no)
        if order is None:
            raise TradeRefusedError(Problem.ORDER_NOT_EXIST)
        if order.state is TradeState.NOTPAY and order.expires_at is not None and order.expires_at <= datetime.now(UTC):
            order = self._keep(replace(order, state=TradeState.CLOSED))
        return order

    def find_transaction(self, transaction_id: str) -> Order:
        """An order by WeChat's own number, which a paid order has.

        Raises:
            TradeRefusedError: There is none.
        """
        for order in self.orders.values():
            if transaction_id and order.transaction_id == transaction_id:
                return order
        raise TradeRefusedError(Problem.ORDER_NOT_EXIST)

    def find_refund(self, out_refund_no: str) -> Refund:
        """A refund.

        Raises:
            TradeRefusedError: There is none.
        """
        if out_refund_no not in self.refunds:
            raise TradeRefusedError(Problem.REFUND_NOT_EXIST)
        return self.refunds[out_refund_no]

    def place(self, order: Order) -> Order:
        """Place an order; the same once more has a fresh `prepay_id`.

        Raises:
            TradeRefusedError: Its number is used: by another order, a paid one or a closed one.
        """
        if order.out_trade_no in self.orders:
            known = self.find(order.out_trade_no)
            if known.state in (TradeState.SUCCESS, TradeState.REFUND):
                raise TradeRefusedError(Problem.ORDER_PAID)
            if known.state is TradeState.CLOSED:
                raise TradeRefusedError(Problem.ORDER_CLOSED)
            if (known.api, known.trade_type, known.parameters) != (order.api, order.trade_type, order.parameters):
                raise TradeRefusedError(Problem.OUT_TRADE_NO_USED)
            order = known
        return self._keep(replace(order, prepay_id=f"wx{now():%Y%m%d%H%M%S}{secrets.token_hex(10)}"))

    def pay(self, out_trade_no: str, openid: str) -> Order:
        """Take a payer's money.

        Raises:
            TradeRefusedError: It is paid or closed, or the order is for another payer.
        """
        order = self.find(out_trade_no)
        if order.state is TradeState.CLOSED:
            raise TradeRefusedError(Problem.ORDER_CLOSED)
        if order.state is not TradeState.NOTPAY:
            raise TradeRefusedError(Problem.ORDER_PAID)
        if order.openid not in ("", openid):
            raise TradeRefusedError(Problem.OTHER_PAYER)
        paid = replace(order, state=TradeState.SUCCESS, openid=openid, paid_at=now())
        return self._keep(replace(paid, transaction_id=f"4200{random_digits(24)}"))

    def close(self, out_trade_no: str) -> Order:
        """Make sure that nobody can pay it any more; doing it twice is fine.

        Raises:
            TradeRefusedError: It is paid, or there is none.
        """
        order = self.find(out_trade_no)
        if order.state in (TradeState.SUCCESS, TradeState.REFUND):
            raise TradeRefusedError(Problem.ORDER_PAID)
        return self._keep(replace(order, state=TradeState.CLOSED))

    def deliver(self, out_trade_no: str) -> Order:
        """Note that virtual goods were handed over."""
        return self._keep(replace(self.find(out_trade_no), delivered=True))

    def refund(self, wish: Refund) -> Refund:
        """Begin to give money back; the same `out_refund_no` once more is the same refund.

        Raises:
            TradeRefusedError: Unpaid, more than is left, or the number is another refund's.
        """
        order = self.find(wish.out_trade_no)
        known = self.refunds.get(wish.out_refund_no)
        if known is not None:
            if (known.out_trade_no, known.amount_fen) != (wish.out_trade_no, wish.amount_fen):
                raise TradeRefusedError(Problem.REFUND_CHANGED)
            return known
        if order.state not in (TradeState.SUCCESS, TradeState.REFUND):
            raise TradeRefusedError(Problem.ORDER_NOT_PAID)
        if wish.total_fen != order.amount_fen:
            raise TradeRefusedError(Problem.TOTAL_DIFFERS)
        if wish.amount_fen > self.left_fen(order):
            raise TradeRefusedError(Problem.REFUND_TOO_LARGE)
        self._keep(replace(order, state=TradeState.REFUND))
        return self._keep_refund(replace(wish, refund_id=f"5030{random_digits(24)}"))

    def end_refund(self, out_refund_no: str, state: RefundState) -> Refund:
        """Note how a refund ended; a closed one leaves the money with the merchant."""
        refund = self._keep_refund(replace(self.refunds[out_refund_no], state=state, ended_at=now()))
        order = self.find(refund.out_trade_no)
        if self.left_fen(order) == order.amount_fen:
            self._keep(replace(order, state=TradeState.SUCCESS))
        return refund

    def refunds_of(self, order: Order) -> list[Refund]:
        """An order's refunds, oldest first."""
        return [refund for refund in self.refunds.values() if refund.out_trade_no == order.out_trade_no]

    def left_fen(self, order: Order) -> int:
        """What can still be refunded."""
        taken = sum(item.amount_fen for item in self.refunds_of(order) if item.state is not RefundState.CLOSED)
        return order.amount_fen - taken

    def _keep(self, order: Order) -> Order:
        self._write(_Line(order=order))
        return order

    def _keep_refund(self, refund: Refund) -> Refund:
        self._write(_Line(refund=refund))
        return refund

    def _write(self, line: _Line) -> None:
        self._remember(line)
        with self.file.open("ab") as journal:
            journal.write(msgspec.json.encode(line) + b"\n")

    def _remember(self, line: _Line) -> None:
        if line.order is not None:
            self.orders[line.order.out_trade_no] = line.order
        if line.refund is not None:
            self.refunds[line.refund.out_refund_no] = line.refund
