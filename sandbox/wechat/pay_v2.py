"""WeChat Pay v2: XML with MD5 or HMAC-SHA256, over the same trade as APIv3.

Source: WeChat Pay's v2 documents. Unlike the real `/secapi/`, the stand-in asks for no client certificate:
it listens on plain HTTP.
"""

import gzip
import re
from datetime import date, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.wechat.bills import TradeBills
from sandbox.wechat.checkout import Checkout
from sandbox.wechat.merchant import Merchant
from sandbox.wechat.misbehaviour import Control
from sandbox.wechat.orders import BEIJING, Api, Order, Problem, Refund, TradeRefusedError, now
from sandbox.wechat.v2_gate import Gate, RefusedError, fail
from sandbox.wechat.v2_messages import REFUND_STATUS, Fields, paid_fields

_PREPAY = ("body", "out_trade_no", "total_fee", "spbill_create_ip", "notify_url", "trade_type")
# What a repeated order need not repeat.
_OF_ONE_REQUEST = ("nonce_str", "sign", "time_start", "spbill_create_ip")


class PayV2:
    """The endpoints of one merchant."""

    def __init__(self, merchant: Merchant, appid: str, checkout: Checkout, bills: TradeBills, control: Control) -> None:
        """Serve one merchant with one mini-program."""
        self._checkout = checkout
        self._bills = bills
        self._gate = Gate(merchant, appid, control)

    def routes(self) -> list[Route]:
        """Where they are."""
        handlers = {
            "/pay/unifiedorder": self._place,
            "/pay/orderquery": self._query,
            "/pay/closeorder": self._close,
            "/secapi/pay/refund": self._refund,
            "/pay/refundquery": self._query_refund,
        }
        routes = [Route(path, self._gate.signed(handler), methods=["POST"]) for path, handler in handlers.items()]
        return [*routes, Route("/pay/downloadbill", self._download_bill, methods=["POST"])]

    def _place(self, said: Fields) -> Fields:
        for name in _PREPAY:
            if not said.get(name):
                raise RefusedError("LACK_PARAMS", f"缺少参数{name}")
        if not re.fullmatch(r"[0-9A-Za-z_|*@-]{1,32}", said["out_trade_no"]):
            raise RefusedError("PARAM_ERROR", "out_trade_no格式错误")
        trade_type = said["trade_type"]
        if trade_type not in ("JSAPI", "NATIVE") or (trade_type == "JSAPI" and not said.get("openid")):
            raise RefusedError("PARAM_ERROR", "trade_type错误，或JSAPI缺少openid")
        order = self._checkout.place(
            Order(
                out_trade_no=said["out_trade_no"],
                api=Api.V2,
                trade_type=trade_type,
                description=said["body"],
                amount_fen=_fen(said, "total_fee"),
                notify_url=said["notify_url"],
                created_at=now(),
                parameters={name: value for name, value in said.items() if name not in _OF_ONE_REQUEST},
                openid=said.get("openid", "") if trade_type == "JSAPI" else "",
                attach=said.get("attach", ""),
                expires_at=_time(said, "time_expire"),
                sign_type=said.get("sign_type") or "MD5",
            )
        )
        code_url = f"weixin://wxpay/bizpayurl?pr={order.prepay_id}"
        return {"trade_type": trade_type, "prepay_id": order.prepay_id} | (
            {"code_url": code_url} if trade_type == "NATIVE" else {}
        )

    def _query(self, said: Fields) -> Fields:
        order = self._order(said)
        state = {"trade_state": str(order.state), "out_trade_no": order.out_trade_no}
        return {"attach": order.attach, "total_fee": str(order.amount_fen)} | state | paid_fields(order)

    def _close(self, said: Fields) -> Fields:
        self._checkout.close(said.get("out_trade_no", ""))
        return {}

    def _refund(self, said: Fields) -> Fields:
        order = self._order(said)
        if not said.get("out_refund_no"):
            raise RefusedError("LACK_PARAMS", "缺少参数out_refund_no")
        refund = self._checkout.refund(
            Refund(
                out_refund_no=said["out_refund_no"],
                out_trade_no=order.out_trade_no,
                amount_fen=_fen(said, "refund_fee"),
                total_fen=_fen(said, "total_fee"),
                created_at=now(),
                reason=said.get("refund_desc", ""),
                notify_url=said.get("notify_url", ""),
            )
        )
        return {
            "transaction_id": order.transaction_id,
            "out_trade_no": order.out_trade_no,
            "out_refund_no": refund.out_refund_no,
            "refund_id": refund.refund_id,
            "refund_fee": str(refund.amount_fen),
            "total_fee": str(order.amount_fen),
            "cash_fee": str(order.amount_fen),
        }

    def _query_refund(self, said: Fields) -> Fields:
        """Every refund of the order, or the one that is named, numbered from 0."""
        book = self._checkout.book
        if said.get("out_refund_no"):
            refunds = [book.find_refund(said["out_refund_no"])]
        else:
            refunds = book.refunds_of(self._order(said))
        if not refunds:
            raise TradeRefusedError(Problem.REFUND_NOT_EXIST)
        order = book.find(refunds[0].out_trade_no)
        answer = {
            "transaction_id": order.transaction_id,
            "out_trade_no": order.out_trade_no,
            "total_fee": str(order.amount_fen),
            "cash_fee": str(order.amount_fen),
            "refund_count": str(len(refunds)),
        }
        for number, refund in enumerate(refunds):
            answer |= {
                f"out_refund_no_{number}": refund.out_refund_no,
                f"refund_id_{number}": refund.refund_id,
                f"refund_fee_{number}": str(refund.amount_fen),
                f"refund_status_{number}": REFUND_STATUS[refund.state],
            }
        return answer

    def _order(self, said: Fields) -> Order:
        return self._checkout.find(said.get("out_trade_no", ""), said.get("transaction_id", ""))

    async def _download_bill(self, request: Request) -> Response:
        """The bill itself as text, packed on demand; a refusal is XML."""
        said = self._gate.authentic(await request.body())
        if isinstance(said, Response):
            return said
        day, kind = _day(said.get("bill_date", "")), said.get("bill_type") or "ALL"
        if day is None or kind not in ("ALL", "SUCCESS", "REFUND"):
            return fail("invalid bill_date or bill_type", error_code="20001")
        bill = self._bills.of(day, kind)
        if bill is None:
            return fail("No Bill Exist", error_code="20002")
        if said.get("tar_type") == "GZIP":
            return Response(gzip.compress(bill.content), media_type="application/x-gzip")
        return Response(bill.content, media_type="text/plain")


def _fen(said: Fields, name: str) -> int:
    """An amount, which is a whole number of fen above zero."""
    if not re.fullmatch(r"[1-9][0-9]{0,9}", said.get(name, "")):
        raise RefusedError("PARAM_ERROR", f"{name}错误，应为正整数，单位为分")
    return int(said[name])


def _time(said: Fields, name: str) -> datetime | None:
    """yyyyMMddHHmmss in Beijing."""
    if not said.get(name):
        return None
    try:
        return datetime.strptime(said[name], "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
    except ValueError:
        raise RefusedError("PARAM_ERROR", f"{name}格式错误，应为yyyyMMddHHmmss") from None


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007  # a date has no zone
    except ValueError:
        return None
