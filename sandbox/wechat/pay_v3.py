"""WeChat Pay APIv3: JSAPI and NATIVE orders, queries, refunds, bills, certificates.

Source: WeChat Pay's APIv3 documents.
"""

import json
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.wechat import signing
from sandbox.wechat.bills import TradeBills
from sandbox.wechat.checkout import Checkout
from sandbox.wechat.merchant import Merchant
from sandbox.wechat.misbehaviour import Control
from sandbox.wechat.orders import Api, Order, Refund, now
from sandbox.wechat.v3_gate import Answer, Gate, RefusedError, error
from sandbox.wechat.v3_messages import refund_answer, rfc3339, transaction
from sandbox.wechat.v3_requests import Close, Prepay, PrepayJsapi, RefundWish, check_notify_url, parse


class PayV3:
    """The endpoints of one merchant."""

    def __init__(self, merchant: Merchant, appid: str, checkout: Checkout, bills: TradeBills, control: Control) -> None:
        """Serve one merchant with one mini-program."""
        self._merchant = merchant
        self._appid = appid
        self._checkout = checkout
        self._bills = bills
        self._gate = Gate(merchant, control)

    def routes(self) -> list[Route]:
        """Where they are."""
        signed = self._gate.signed
        pay, refunds = "/v3/pay/transactions", "/v3/refund/domestic/refunds"
        return [
            Route(f"{pay}/jsapi", signed(self._jsapi), methods=["POST"]),
            Route(f"{pay}/native", signed(self._native), methods=["POST"]),
            Route(f"{pay}/out-trade-no/{{out_trade_no}}", signed(self._query)),
            Route(f"{pay}/id/{{transaction_id}}", signed(self._query)),
            Route(f"{pay}/out-trade-no/{{out_trade_no}}/close", signed(self._close), methods=["POST"]),
            Route(refunds, signed(self._refund), methods=["POST"]),
            Route(f"{refunds}/{{out_refund_no}}", signed(self._query_refund)),
            Route("/v3/bill/tradebill", signed(self._trade_bill)),
            Route("/v3/billdownload/file", self._download, name="download"),
            Route("/v3/certificates", signed(self._certificates)),
        ]

    def _jsapi(self, request: Request, body: bytes) -> Answer:
        wish = parse(body, PrepayJsapi)
        order = self._place(request, body, wish, "JSAPI", wish.payer.openid)
        return 200, {"prepay_id": order.prepay_id}

    def _native(self, request: Request, body: bytes) -> Answer:
        order = self._place(request, body, parse(body, Prepay), "NATIVE", "")
        return 200, {"code_url": f"weixin://wxpay/bizpayurl?pr={order.prepay_id}"}

    def _place(self, request: Request, body: bytes, wish: Prepay, trade_type: str, openid: str) -> Order:
        if (wish.appid, wish.mchid) != (self._appid, self._merchant.mchid):
            raise RefusedError(400, "APPID_MCHID_NOT_MATCH", "商户号和appid没有绑定关系")
        check_notify_url(wish.notify_url)
        if wish.time_expire is not None and wish.time_expire <= now():
            raise RefusedError(400, "PARAM_ERROR", "time_expire时间过短，刷卡至少1分钟，其他5分钟")
        order = Order(
            out_trade_no=wish.out_trade_no,
            api=Api.V3,
            trade_type=trade_type,
            description=wish.description,
            amount_fen=wish.amount.total,
            notify_url=wish.notify_url,
            created_at=now(),
            parameters=json.loads(body),
            openid=openid,
            attach=wish.attach,
            expires_at=wish.time_expire,
            public_key=self._gate.uses_public_key(request),
        )
        return self._checkout.place(order)

    def _query(self, request: Request, body: bytes) -> Answer:
        if request.query_params.get("mchid") != self._merchant.mchid:
            raise RefusedError(400, "PARAM_ERROR", "mchid与请求签名的商户号不一致")
        order = self._checkout.find(**request.path_params)
        return 200, transaction(order, self._merchant, self._appid)

    def _close(self, request: Request, body: bytes) -> Answer:
        if parse(body, Close).mchid != self._merchant.mchid:
            raise RefusedError(400, "PARAM_ERROR", "mchid与请求签名的商户号不一致")
        self._checkout.close(request.path_params["out_trade_no"])
        return 204, None

    def _refund(self, request: Request, body: bytes) -> Answer:
        wish = parse(body, RefundWish)
        if wish.notify_url:
            check_notify_url(wish.notify_url)
        order = self._checkout.find(wish.out_trade_no, wish.transaction_id)
        refund = self._checkout.refund(
            Refund(
                out_refund_no=wish.out_refund_no,
                out_trade_no=order.out_trade_no,
                amount_fen=wish.amount.refund,
                total_fen=wish.amount.total,
                created_at=now(),
                reason=wish.reason,
                notify_url=wish.notify_url,
                public_key=self._gate.uses_public_key(request),
            )
        )
        return 200, refund_answer(refund, order)

    def _query_refund(self, request: Request, body: bytes) -> Answer:
        refund = self._checkout.book.find_refund(request.path_params["out_refund_no"])
        return 200, refund_answer(refund, self._checkout.book.find(refund.out_trade_no))

    def _trade_bill(self, request: Request, body: bytes) -> Answer:
        query = request.query_params
        kind, packing = query.get("bill_type", "ALL"), query.get("tar_type", "")
        try:
            day = datetime.strptime(query.get("bill_date", ""), "%Y-%m-%d").date()  # noqa: DTZ007  # a date has no zone
        except ValueError:
            raise RefusedError(400, "PARAM_ERROR", "bill_date格式错误，应为yyyy-MM-DD") from None
        if kind not in ("ALL", "SUCCESS", "REFUND") or packing not in ("", "GZIP"):
            raise RefusedError(400, "PARAM_ERROR", "bill_type或tar_type错误")
        bill = self._bills.of(day, kind)
        if bill is None:
            raise RefusedError(400, "NO_STATEMENT_EXIST", "账单文件不存在")
        token = self._bills.offer(bill, gzipped=packing == "GZIP")
        url = request.url_for("download").replace(query=f"token={token}")
        return 200, {"hash_type": "SHA1", "hash_value": bill.sha1, "download_url": str(url)}

    def _certificates(self, request: Request, body: bytes) -> Answer:
        certificate = self._merchant.platform_certificate
        pem = (self._merchant.folder / "platform_certificate.pem").read_bytes()
        entry = {
            "serial_no": self._merchant.platform_serial_no,
            "effective_time": rfc3339(certificate.not_valid_before_utc),
            "expire_time": rfc3339(certificate.not_valid_after_utc),
            "encrypt_certificate": signing.encrypt(self._merchant.apiv3_key, pem, "certificate"),
        }
        return 200, {"data": [entry]}

    async def _download(self, request: Request) -> Response:
        """The bill itself, which is asked for with a signature and answered without one."""
        if refused := self._gate.stranger(request, b""):
            return refused
        content = self._bills.take(request.query_params.get("token", ""))
        if content is None:
            return error(404, "RESOURCE_NOT_EXISTS", "下载地址已失效，请重新申请账单")
        return Response(content, media_type="application/octet-stream")
