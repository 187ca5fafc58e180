"""Virtual payment: `/xpay/*` for the merchant's server, and what `wx.requestVirtualPayment` does on the phone.

Source: WeChat's documents of virtual payment; error codes are those that the community quotes from them.
"""

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.wechat.checkout import Checkout
from sandbox.wechat.faults import silence
from sandbox.wechat.login import Platform
from sandbox.wechat.merchant import Merchant
from sandbox.wechat.misbehaviour import ApiFault, Control, How
from sandbox.wechat.orders import Api, Order, Problem, Refund, TradeRefusedError, now
from sandbox.wechat.virtual_messages import order_document

_BAD_PARAMETER, _BAD_SIGNATURE, _TOO_LITTLE, _LEFT_DIFFERS = 268490002, 268490003, 268490006, 268490016
_FAULTS = {ApiFault.SYSTEM_ERROR: (-1, "system error"), ApiFault.FREQUENCY_LIMITED: (268490015, "frequency limited")}

Fen = Annotated[int, msgspec.Meta(ge=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]
BodyT = TypeVar("BodyT")


class SignData(msgspec.Struct):
    """What the client wants to buy; the amount is price times quantity, in fen."""

    offerId: str  # noqa: N815  # the protocol's spelling, as all of these
    buyQuantity: Count  # noqa: N815
    env: Literal[0, 1]
    currencyType: Literal["CNY"]  # noqa: N815
    productId: Annotated[str, msgspec.Meta(min_length=1)]  # noqa: N815
    goodsPrice: Fen  # noqa: N815
    outTradeNo: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_|*@-]{8,32}$")]  # noqa: N815
    attach: str = ""


class Purchase(msgspec.Struct):
    """The arguments of `wx.requestVirtualPayment`, and who holds the phone."""

    openid: str
    signData: str  # noqa: N815  # the protocol's spelling, as all of these
    paySig: str  # noqa: N815
    signature: str
    mode: Literal["short_series_goods"] = "short_series_goods"
    how: How = How.NORMAL


class _Reference(msgspec.Struct):
    """An order by either of its numbers."""

    order_id: str = ""
    wx_order_id: str = ""
    env: Literal[0, 1] = 0


class _RefundWish(_Reference, kw_only=True):
    openid: str
    refund_order_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_|*@-]{8,32}$")]
    left_fee: int
    refund_fee: Fen
    biz_meta: str = ""
    refund_reason: str = "0"
    req_from: str = "1"


Handler = Callable[[bytes], dict[str, object]]


class _RefusedError(Exception):
    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(errmsg)
        self.errcode = errcode


class VirtualPayment:
    """The endpoints of one mini-program."""

    def __init__(self, platform: Platform, merchant: Merchant, checkout: Checkout, control: Control) -> None:
        """Serve one mini-program."""
        self._platform = platform
        self._merchant = merchant
        self._checkout = checkout
        self._control = control

    def routes(self) -> list[Route]:
        """Where they are; buying is the stand-in's own, for want of a phone."""
        handlers = {
            "/xpay/query_order": self._query,
            "/xpay/refund_order": self._refund,
            "/xpay/notify_provide_goods": self._provided,
        }
        routes = [Route(path, self._signed(handler), methods=["POST"]) for path, handler in handlers.items()]
        return [*routes, Route("/sandbox/virtual-payment", self._buy, methods=["POST"])]

    def _signed(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that takes what the merchant's server signed with the app key and an access token."""

        async def endpoint(request: Request) -> Response:
            body = await request.body()
            fault = self._control.next_api_fault()
            if fault is ApiFault.TIMEOUT:
                return await silence(request)
            if complaint := self._platform.complaint_about_token(request.query_params.get("access_token")):
                return complaint
            try:
                answer = self._answer(handler, request, body, fault)
            except _RefusedError as refusal:
                return JSONResponse({"errcode": refusal.errcode, "errmsg": str(refusal)})
            except TradeRefusedError as refusal:
                code = _TOO_LITTLE if refusal.problem is Problem.REFUND_TOO_LARGE else _BAD_PARAMETER
                return JSONResponse({"errcode": code, "errmsg": refusal.problem})
            if fault is ApiFault.LOST_ANSWER:
                return await silence(request)
            return JSONResponse({"errcode": 0, "errmsg": "OK"} | answer)

        return endpoint

    def _answer(self, handler: Handler, request: Request, body: bytes, fault: ApiFault | None) -> dict[str, object]:
        if fault in _FAULTS:
            raise _RefusedError(*_FAULTS[fault])
        signed = f"{request.url.path}&".encode() + body
        said = request.query_params.get("pay_sig", "")
        if not hmac.compare_digest(_hmac(self._merchant.app_key, signed).encode(), said.encode()):
            raise _RefusedError(_BAD_SIGNATURE, "pay_sig error")
        return handler(body)

    def _query(self, body: bytes) -> dict[str, object]:
        order = self._order(_parse(body, _Reference))
        book = self._checkout.book
        return {"order": order_document(order, book.refunds_of(order), book.left_fen(order))}

    def _refund(self, body: bytes) -> dict[str, object]:
        wish = _parse(body, _RefundWish)
        order, book = self._order(wish), self._checkout.book
        if wish.openid != order.openid:
            raise _RefusedError(268490001, "openid error")
        if wish.refund_order_id not in book.refunds and wish.left_fee != book.left_fen(order):
            raise _RefusedError(_LEFT_DIFFERS, "left_fee is not what is left")
        refund = self._checkout.refund(
            Refund(
                out_refund_no=wish.refund_order_id,
                out_trade_no=order.out_trade_no,
                amount_fen=wish.refund_fee,
                total_fen=order.amount_fen,
                created_at=now(),
                reason=wish.refund_reason,
            )
        )
        return {
            "refund_order_id": refund.out_refund_no,
            "refund_wx_order_id": refund.refund_id,
            "pay_order_id": order.out_trade_no,
            "pay_wx_order_id": order.transaction_id,
        }

    def _provided(self, body: bytes) -> dict[str, object]:
        """The merchant hands over by itself what no message told it to."""
        order = self._order(_parse(body, _Reference))
        if order.paid_at is None:
            raise _RefusedError(_BAD_PARAMETER, "order is not paid")
        self._checkout.book.deliver(order.out_trade_no)
        return {}

    def _order(self, reference: _Reference) -> Order:
        book = self._checkout.book
        order = book.find(reference.order_id) if reference.order_id else book.find_transaction(reference.wx_order_id)
        if order.api is not Api.VIRTUAL:
            raise TradeRefusedError(Problem.ORDER_NOT_EXIST)
        return order

    async def _buy(self, request: Request) -> Response:
        """What the phone answers to `wx.requestVirtualPayment`: status 200, the outcome in `errMsg` and `errCode`."""
        try:
            purchase = _parse(await request.body(), Purchase)
            wish = _parse(purchase.signData.encode(), SignData)
        except _RefusedError as refusal:
            return _phone_says(-15001, f"参数错误：{refusal}")
        if wish.offerId != self._merchant.offer_id or not purchase.how.occurs_in(Api.VIRTUAL):
            return _phone_says(-15001, "参数错误：offerId或how")
        if _hmac(self._platform.session_key(purchase.openid), purchase.signData.encode()) != purchase.signature:
            return _phone_says(-15005, "用户态签名signature错误")
        signed = f"requestVirtualPayment&{purchase.signData}".encode()
        if _hmac(self._merchant.app_key, signed) != purchase.paySig:
            return _phone_says(-15006, "支付签名paySig错误")
        order = Order(
            out_trade_no=wish.outTradeNo,
            api=Api.VIRTUAL,
            trade_type="VIRTUAL",
            description=wish.productId,
            amount_fen=wish.goodsPrice * wish.buyQuantity,
            notify_url="",
            created_at=now(),
            parameters=json.loads(purchase.signData),
            openid=purchase.openid,
            attach=wish.attach,
        )
        try:
            self._checkout.book.place(order)
            self._checkout.pay(order.out_trade_no, purchase.openid, purchase.how)
        except TradeRefusedError:
            return _phone_says(-15002, "outTradeNo重复使用")
        return _phone_says(0, "")


def _phone_says(code: int, problem: str) -> Response:
    said = f"requestVirtualPayment:fail {problem}" if problem else "requestVirtualPayment:ok"
    return JSONResponse({"errMsg": said, "errCode": code})


def _hmac(key: str, message: bytes) -> str:
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def _parse(body: bytes, kind: type[BodyT]) -> BodyT:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise _RefusedError(_BAD_PARAMETER, str(error)) from None
