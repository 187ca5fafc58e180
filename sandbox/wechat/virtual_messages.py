"""The documents of virtual payment: an order as `/xpay/query_order` tells it, and the messages that are pushed.

Source: WeChat's documents of virtual payment; the shape of the messages is unsure.
"""

import hashlib
import json
import secrets
import time
from enum import IntEnum
from typing import Any
from urllib.parse import urlencode

from sandbox.wechat.merchant import Merchant
from sandbox.wechat.misbehaviour import Control, How
from sandbox.wechat.notifier import Message, Notice
from sandbox.wechat.orders import Order, Refund, RefundState, TradeBook, TradeState

_STALE_S = 301
_ORIGINAL_ID = "gh_queqiaosandbox"


class Status(IntEnum):
    """The status of an order of virtual payment; INITIALISED, DELIVERING and REFUND_FAILED pass too fast to be seen."""

    INITIALISED = 0
    CREATED = 1
    PAID = 2
    DELIVERING = 3
    DELIVERED = 4
    REFUNDED = 5
    CLOSED = 6
    REFUND_FAILED = 7


def status(order: Order, refunds: list[Refund]) -> Status:
    """How an order stands."""
    if order.state is TradeState.NOTPAY:
        return Status.CREATED
    if order.state is TradeState.CLOSED:
        return Status.CLOSED
    if any(refund.state is RefundState.ABNORMAL for refund in refunds):
        return Status.REFUND_FAILED
    if any(refund.state is RefundState.SUCCESS for refund in refunds):
        return Status.REFUNDED
    return Status.DELIVERED if order.delivered else Status.PAID


def order_document(order: Order, refunds: list[Refund], left_fen: int) -> dict[str, Any]:
    """An order as a query tells it; amounts in fen, times in seconds of the epoch."""
    paid_fen = order.amount_fen if order.paid_at is not None else 0
    paid_time = int(order.paid_at.timestamp()) if order.paid_at is not None else 0
    return {
        "order_id": order.out_trade_no,
        "wx_order_id": order.transaction_id,
        "create_time": int(order.created_at.timestamp()),
        "update_time": paid_time or int(order.created_at.timestamp()),
        "status": status(order, refunds),
        "biz_type": 0,
        "order_type": 0,
        "order_fee": order.amount_fen,
        "coupon_fee": 0,
        "paid_fee": paid_fen,
        "refund_fee": paid_fen - left_fen if paid_fen else 0,
        "left_fee": left_fen if paid_fen else 0,
        "paid_time": paid_time,
        "provide_time": paid_time if order.delivered else 0,
        "biz_meta": order.attach,
        "env_type": order.parameters["env"] + 1,
    }


class VirtualNotices:
    """Makes the messages that the platform pushes to one mini-program."""

    def __init__(self, merchant: Merchant, control: Control, book: TradeBook) -> None:
        """Push to where the settings say, signed with the merchant's message token."""
        self._merchant = merchant
        self._control = control
        self._book = book

    def payment(self, order: Order, how: How) -> Notice:
        """`xpay_goods_deliver_notify`, in this manner."""
        goods = order.parameters
        price_fen = goods["goodsPrice"] + (1 if how is How.WRONG_AMOUNT else 0)
        details = {
            "OpenId": "oSomebodyElse000000000000000" if how is How.OTHER_PAYER else order.openid,
            "OutTradeNo": order.out_trade_no,
            "Env": goods["env"],
            "WeChatPayInfo": {
                "MchOrderNo": order.transaction_id,
                "TransactionId": order.transaction_id,
                "PaidTime": int(order.paid_at.timestamp()) if order.paid_at is not None else 0,
            },
            "GoodsInfo": {
                "ProductId": goods["productId"],
                "Quantity": goods["buyQuantity"],
                "OrigPrice": price_fen,
                "ActualPrice": price_fen,
                "Attach": order.attach,
            },
        }
        to = "gh_somebodyelse" if how is How.OTHER_APPID else _ORIGINAL_ID
        return self._notice(order, "payment", to, "xpay_goods_deliver_notify", details, how)

    def refund(self, refund: Refund, order: Order) -> Notice:
        """`xpay_refund_notify`."""
        done = refund.state is RefundState.SUCCESS
        details = {
            "OpenId": order.openid,
            "WxRefundId": refund.refund_id,
            "MchRefundId": refund.out_refund_no,
            "WxOrderId": order.transaction_id,
            "MchOrderId": order.out_trade_no,
            "RefundFee": refund.amount_fen,
            "RetCode": 0 if done else 1,
            "RetMsg": "退款成功" if done else "退款失败",
            "RefundStartTimestamp": int(refund.created_at.timestamp()),
            "RefundSuccTimestamp": int(refund.ended_at.timestamp()) if done and refund.ended_at is not None else 0,
        }
        return self._notice(order, "refund", _ORIGINAL_ID, "xpay_refund_notify", details, How.NORMAL)

    def _notice(self, order: Order, kind: str, to: str, event: str, details: dict[str, Any], how: How) -> Notice:
        head = {"ToUserName": to, "FromUserName": order.openid, "CreateTime": int(time.time()), "MsgType": "event"}
        body = json.dumps(head | {"Event": event} | details, ensure_ascii=False).encode()

        def compose(number: int) -> Message:
            url = f"{self._control.settings.message_push_url}?{self._signature(how)}"
            return Message(url, {"Content-Type": "application/json"}, body)

        def accepted() -> None:
            if kind == "payment":
                self._book.deliver(order.out_trade_no)

        return Notice(order.out_trade_no, kind, compose, _accepts, accepted)

    def _signature(self, how: How) -> str:
        """The query of a pushed message: sha1 over token, timestamp and nonce, sorted."""
        timestamp = str(int(time.time()) - (_STALE_S if how is How.STALE else 0))
        nonce = secrets.token_hex(8)
        token = "not the token" if how is How.FORGED else self._merchant.message_token
        digest = hashlib.sha1("".join(sorted((token, timestamp, nonce))).encode())  # noqa: S324  # the protocol's own
        return urlencode({"signature": digest.hexdigest(), "timestamp": timestamp, "nonce": nonce})


def _accepts(status_code: int, body: bytes) -> bool:
    try:
        answer = json.loads(body) if status_code == 200 else None
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.get("ErrCode") == 0
