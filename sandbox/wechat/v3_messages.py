"""The documents of APIv3: the transaction, the refund, and the notices that carry them.

Source: WeChat Pay's documents. Event names of refunds are unsure.
"""

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sandbox.wechat.merchant import Merchant, random_key
from sandbox.wechat.misbehaviour import How
from sandbox.wechat.notifier import Message, Notice
from sandbox.wechat.orders import Order, Refund, RefundState, TradeState, now
from sandbox.wechat.signing import Signer, encrypt, signer

Document = dict[str, Any]

_STATES = {
    TradeState.NOTPAY: "订单未支付",
    TradeState.SUCCESS: "支付成功",
    TradeState.REFUND: "转入退款",
    TradeState.CLOSED: "订单已关闭",
}

_REFUND_ENDS = {RefundState.SUCCESS: "退款成功", RefundState.ABNORMAL: "退款异常", RefundState.CLOSED: "退款关闭"}

_STALE_S = 301


def rfc3339(moment: datetime) -> str:
    """A time as every document has it: 2018-06-08T10:34:56+08:00."""
    return moment.isoformat(timespec="seconds")


def transaction(order: Order, merchant: Merchant, appid: str) -> Document:
    """The order as queries and notices tell it."""
    amount: Document = {"total": order.amount_fen, "currency": "CNY"}
    document: Document = {
        "appid": appid,
        "mchid": merchant.mchid,
        "out_trade_no": order.out_trade_no,
        "trade_state": order.state,
        "trade_state_desc": _STATES[order.state],
        "attach": order.attach,
        "amount": amount,
        "promotion_detail": [],
    }
    if order.paid_at is None:
        return document | {"payer": {}}
    amount |= {"payer_total": order.amount_fen, "payer_currency": "CNY"}
    return document | {
        "transaction_id": order.transaction_id,
        "trade_type": order.trade_type,
        "bank_type": "OTHERS",
        "success_time": rfc3339(order.paid_at),
        "payer": {"openid": order.openid},
    }


def refund_answer(refund: Refund, order: Order) -> Document:
    """The refund as its request and queries are answered."""
    return _ended(refund) | {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": order.transaction_id,
        "out_trade_no": order.out_trade_no,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": rfc3339(refund.created_at),
        "status": refund.state,
        "funds_account": "AVAILABLE",
        "amount": _refund_amount(refund, order) | {"currency": "CNY", "discount_refund": 0, "from": []},
        "promotion_detail": [],
    }


class V3Notices:
    """Makes the notices of one merchant."""

    def __init__(self, merchant: Merchant, appid: str) -> None:
        """Make notices of this account's trade."""
        self._merchant = merchant
        self._appid = appid

    def payment(self, order: Order, how: How) -> Notice:
        """`TRANSACTION.SUCCESS`, in this manner."""
        # A notice tells of the moment of payment, even one that comes after a refund.
        document = transaction(order, self._merchant, self._appid) | _lie(order, how)
        event = _event("TRANSACTION.SUCCESS", "支付成功", "transaction")
        key = random_key() if how is How.WRONG_KEY else self._merchant.apiv3_key

        def compose(number: int) -> Message:
            body = _sealed(event, document, "transaction", key)
            by = signer(self._merchant, public_key=order.public_key and how is not How.CERTIFICATE_SERIAL)
            return _signed(order.notify_url, body, by, how if how is not How.SIGNTEST or number == 0 else How.NORMAL)

        return Notice(order.out_trade_no, "payment", compose, _accepts)

    def refund(self, refund: Refund, order: Order) -> Notice:
        """`REFUND.SUCCESS`, `REFUND.ABNORMAL` or `REFUND.CLOSED`."""
        document = _ended(refund) | {
            "mchid": self._merchant.mchid,
            "transaction_id": order.transaction_id,
            "out_trade_no": order.out_trade_no,
            "refund_id": refund.refund_id,
            "out_refund_no": refund.out_refund_no,
            "refund_status": refund.state,
            "user_received_account": "支付用户零钱",
            "amount": _refund_amount(refund, order),
        }
        event = _event(f"REFUND.{refund.state}", _REFUND_ENDS[refund.state], "refund")

        def compose(number: int) -> Message:
            body = _sealed(event, document, "refund", self._merchant.apiv3_key)
            by = signer(self._merchant, public_key=refund.public_key)
            return _signed(refund.notify_url, body, by, How.NORMAL)

        return Notice(order.out_trade_no, "refund", compose, _accepts)


def _accepts(status: int, body: bytes) -> bool:
    return status in (200, 204)


def _ended(refund: Refund) -> Document:
    if refund.state is not RefundState.SUCCESS or refund.ended_at is None:
        return {}
    return {"success_time": rfc3339(refund.ended_at)}


def _refund_amount(refund: Refund, order: Order) -> Document:
    return {
        "total": order.amount_fen,
        "refund": refund.amount_fen,
        "payer_total": order.amount_fen,
        "payer_refund": refund.amount_fen,
    }


def _lie(order: Order, how: How) -> Document:
    """What a notice of this manner says wrongly."""
    if how is How.WRONG_AMOUNT:
        more = order.amount_fen + 1
        return {"amount": {"total": more, "payer_total": more, "currency": "CNY", "payer_currency": "CNY"}}
    if how is How.OTHER_PAYER:
        return {"payer": {"openid": "oSomebodyElse000000000000000"}}
    if how is How.OTHER_MERCHANT:
        return {"mchid": "1900000000"}
    if how is How.OTHER_APPID:
        return {"appid": "wx0000000000000000"}
    return {}


def _event(event_type: str, summary: str, original_type: str) -> Document:
    return {
        "id": f"EV-{secrets.token_hex(12)}",
        "create_time": rfc3339(now()),
        "resource_type": "encrypt-resource",
        "event_type": event_type,
        "summary": summary,
        "resource": {"original_type": original_type},
    }


def _sealed(event: Document, document: Mapping[str, object], associated_data: str, key: str) -> bytes:
    plaintext = json.dumps(document, ensure_ascii=False).encode()
    resource = event["resource"] | encrypt(key, plaintext, associated_data)
    return json.dumps(event | {"resource": resource}, ensure_ascii=False).encode()


def _signed(url: str, body: bytes, by: Signer, how: How) -> Message:
    if how is How.UNKNOWN_SERIAL:
        by = Signer(f"{secrets.randbits(159):040X}", by.key)
    headers = by.headers(b"{}" if how is How.FORGED else body, age_s=_STALE_S if how is How.STALE else 0)
    if how is How.SIGNTEST:
        headers["Wechatpay-Signature"] = f"WECHATPAY/SIGNTEST/{headers['Wechatpay-Signature']}"
    return Message(url, headers | {"Content-Type": "application/json"}, body)
