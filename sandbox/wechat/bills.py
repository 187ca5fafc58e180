"""Trade bills as CSV: what was paid and refunded on one of Beijing's days.

Source: WeChat Pay's document of the trade bill. Unlike WeChat, which has yesterday's bill from 10:00, the stand-in
also has today's, as far as the day has come.
"""

import gzip
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from datetime import date

from sandbox.wechat.merchant import Merchant
from sandbox.wechat.misbehaviour import BillFault, Control
from sandbox.wechat.orders import Api, Order, Refund, RefundState, TradeBook, now

_OFFER_S = 300

_PAYER = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态"
_MONEY = "付款银行,货币种类,应结订单金额,代金券金额"
_REFUND = "微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态"
_GOODS = "商品名称,商户数据包,手续费,费率,订单金额"
_COLUMNS = {
    "ALL": f"{_PAYER},{_MONEY},{_REFUND},{_GOODS},申请退款金额,费率备注",
    "SUCCESS": f"{_PAYER},{_MONEY},{_GOODS},费率备注",
    "REFUND": f"{_PAYER},{_MONEY},退款申请时间,退款成功时间,{_REFUND},{_GOODS},申请退款金额,费率备注",
}
_SUMMARY = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"

# WeChat's usual fee, 0.6 %, in per mille.
_FEE_PER_MILLE = 6


@dataclass
class _Entry:
    """One row, before it is written; amounts in fen."""

    order: Order
    refund: Refund | None = None
    paid_fen: int = 0
    refunded_fen: int = 0

    @property
    def fee_fen(self) -> int:
        """0.6 % of what was paid, half up; given back with a refund."""
        fee_fen = ((self.paid_fen + self.refunded_fen) * _FEE_PER_MILLE + 500) // 1000
        return -fee_fen if self.refund is not None else fee_fen


@dataclass(frozen=True)
class Bill:
    """One day's bill, not packed."""

    content: bytes

    @property
    def sha1(self) -> str:
        """The `hash_value` by which a download is checked after unpacking."""
        return hashlib.sha1(self.content).hexdigest()  # noqa: S324  # the protocol's own choice


@dataclass
class TradeBills:
    """Writes bills, and keeps those that wait to be downloaded."""

    merchant: Merchant
    appid: str
    book: TradeBook
    control: Control
    _offers: dict[str, tuple[float, bytes]] = field(default_factory=dict)

    def of(self, day: date, kind: str) -> Bill | None:
        """A day's bill; None when nothing happened.

        Args:
            day: In Beijing.
            kind: ALL, SUCCESS or REFUND.
        """
        entries = self._misreported([entry for entry in self._entries(day) if _belongs(entry, kind)])
        if not entries:
            return None
        columns = _COLUMNS[kind].split(",")
        lines = [columns, *(self._row(entry, columns) for entry in entries), _SUMMARY.split(","), _summary(entries)]
        # The byte order mark is WeChat's.
        return Bill("".join(f"{','.join(line)}\r\n" for line in lines).encode("utf-8-sig"))

    def offer(self, bill: Bill, *, gzipped: bool) -> str:
        """Keep a bill for five minutes; answers the token that fetches it."""
        token = secrets.token_urlsafe(24)
        content = gzip.compress(bill.content) if gzipped else bill.content
        self._offers[token] = (time.monotonic() + _OFFER_S, content)
        return token

    def take(self, token: str) -> bytes | None:
        """What was offered under this token, while it holds."""
        self._offers = {key: offer for key, offer in self._offers.items() if offer[0] > time.monotonic()}
        return self._offers[token][1] if token in self._offers else None

    def _entries(self, day: date) -> list[_Entry]:
        """Payments, then refunds, of the merchant's account; virtual payment has its own books."""
        orders = [order for order in self.book.orders.values() if order.api is not Api.VIRTUAL]
        paid = [order for order in orders if order.paid_at is not None and order.paid_at.date() == day]
        refunded = [
            _Entry(order, refund, refunded_fen=refund.amount_fen)
            for order in orders
            for refund in self.book.refunds_of(order)
            if refund.state is RefundState.SUCCESS and refund.ended_at is not None and refund.ended_at.date() == day
        ]
        return [*(_Entry(order, paid_fen=order.amount_fen) for order in paid), *refunded]

    def _misreported(self, entries: list[_Entry]) -> list[_Entry]:
        fault = self.control.settings.bill_fault
        if fault is BillFault.MISSING_ROW:
            return entries[1:]
        if fault is BillFault.OTHER_AMOUNT and entries:
            first = entries[0]
            return [_Entry(first.order, first.refund, first.paid_fen + 1, first.refunded_fen), *entries[1:]]
        if fault is BillFault.FOREIGN_ROW:
            return [*entries, _Entry(_foreign_order(), paid_fen=100)]
        return entries

    def _row(self, entry: _Entry, columns: list[str]) -> list[str]:
        """Every field after a backtick, so that no spreadsheet takes a number for a number."""
        values = self._values(entry)
        return [f"`{values.get(column, '')}" for column in columns]

    def _values(self, entry: _Entry) -> dict[str, str]:
        order, refund = entry.order, entry.refund
        moment = refund.ended_at if refund is not None else order.paid_at
        values = {
            "交易时间": f"{moment:%Y-%m-%d %H:%M:%S}",
            "公众账号ID": self.appid,
            "商户号": self.merchant.mchid,
            "特约商户号": "0",
            "微信订单号": order.transaction_id,
            "商户订单号": order.out_trade_no,
            "用户标识": order.openid,
            "交易类型": order.trade_type,
            "交易状态": "SUCCESS" if refund is None else "REFUND",
            "付款银行": "OTHERS",
            "货币种类": "CNY",
            "应结订单金额": _yuan(entry.paid_fen),
            "代金券金额": "0.00",
            "微信退款单号": "0",
            "商户退款单号": "0",
            "退款金额": _yuan(entry.refunded_fen),
            "充值券退款金额": "0.00",
            "商品名称": order.description.replace(",", " "),
            "商户数据包": order.attach.replace(",", " "),
            "手续费": f"{_yuan(entry.fee_fen)}000",
            "费率": f"{_FEE_PER_MILLE / 10:.2f}%",
            "订单金额": _yuan(entry.paid_fen),
            "申请退款金额": _yuan(entry.refunded_fen),
        }
        if refund is None:
            return values
        return values | {
            "退款申请时间": f"{refund.created_at:%Y-%m-%d %H:%M:%S}",
            "退款成功时间": f"{refund.ended_at:%Y-%m-%d %H:%M:%S}",
            "微信退款单号": refund.refund_id,
            "商户退款单号": refund.out_refund_no,
            "退款类型": "ORIGINAL",
            "退款状态": refund.state,
        }


def _belongs(entry: _Entry, kind: str) -> bool:
    return kind == "ALL" or (entry.refund is None) == (kind == "SUCCESS")


def _foreign_order() -> Order:
    return Order(
        out_trade_no="ForeignOrder0001",
        api=Api.V3,
        trade_type="NATIVE",
        description="别人的商品",
        amount_fen=100,
        notify_url="",
        created_at=now(),
        parameters={},
        openid="oSomebodyElse000000000000000",
        transaction_id="4200000000000000000000000001",
        paid_at=now(),
    )


def _summary(entries: list[_Entry]) -> list[str]:
    paid, refunded = _yuan(sum(entry.paid_fen for entry in entries)), _yuan(sum(e.refunded_fen for e in entries))
    fees = f"{_yuan(sum(entry.fee_fen for entry in entries))}000"
    return [f"`{value}" for value in (len(entries), paid, refunded, "0.00", fees, paid, refunded)]


def _yuan(fen: int) -> str:
    """Fen as yuan with two decimals: 1 is 0.01, -150 is -1.50."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"
