"""What every call of APIv3 passes: the merchant's signature is verified, the answer is signed.

Source: WeChat Pay's APIv3 documents (signing; error bodies, whose HTTP statuses are unsure).
"""

import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.wechat import signing
from sandbox.wechat.faults import silence
from sandbox.wechat.merchant import Merchant
from sandbox.wechat.misbehaviour import ApiFault, Control
from sandbox.wechat.orders import Problem, TradeRefusedError
from sandbox.wechat.v3_messages import Document

_CODES = {
    Problem.ORDER_NOT_EXIST: (404, "ORDER_NOT_EXIST"),
    Problem.OUT_TRADE_NO_USED: (403, "OUT_TRADE_NO_USED"),
    Problem.ORDER_PAID: (400, "ORDER_PAID"),
    Problem.ORDER_NOT_PAID: (400, "INVALID_REQUEST"),
    Problem.ORDER_CLOSED: (400, "ORDER_CLOSED"),
    Problem.OTHER_PAYER: (500, "OPENID_MISMATCH"),
    Problem.REFUND_NOT_EXIST: (404, "RESOURCE_NOT_EXISTS"),
    Problem.REFUND_CHANGED: (400, "INVALID_REQUEST"),
    Problem.TOTAL_DIFFERS: (400, "INVALID_REQUEST"),
    Problem.REFUND_TOO_LARGE: (403, "NOT_ENOUGH"),
}

_FAULTS = {
    ApiFault.SYSTEM_ERROR: (500, "SYSTEM_ERROR", "系统异常，请稍后重试"),
    ApiFault.FREQUENCY_LIMITED: (429, "FREQUENCY_LIMITED", "频率超限，请降低请求接口频率"),
}


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Say which."""
        super().__init__(message)
        self.status, self.code = status, code


# An HTTP status and a document; none for 204.
Answer = tuple[int, Document | None]
Handler = Callable[[Request, bytes], Answer]


def error(status: int, code: str, message: str) -> Response:
    """An error in APIv3's shape."""
    return JSONResponse({"code": code, "message": message}, status)


class Gate:
    """Stands before one merchant's endpoints."""

    def __init__(self, merchant: Merchant, control: Control) -> None:
        """Let this merchant pass."""
        self._merchant = merchant
        self._control = control

    def uses_public_key(self, request: Request) -> bool:
        """Whether the caller asks to be answered under the WeChat Pay public key."""
        return request.headers.get("Wechatpay-Serial", "").startswith("PUB_KEY_ID_")

    def stranger(self, request: Request, body: bytes) -> Response | None:
        """The refusal of a request that the merchant did not sign; None when it did."""
        path = request.scope["raw_path"].decode() + (f"?{request.url.query}" if request.url.query else "")
        said = request.headers.get("Authorization", "")
        if problem := signing.problem_with(said, self._merchant, request.method, path, body):
            return error(401, "SIGN_ERROR", problem)
        wanted = request.headers.get("Wechatpay-Serial", self._merchant.public_key_id)
        if wanted not in (self._merchant.public_key_id, self._merchant.platform_serial_no):
            return error(400, "PARAM_ERROR", "平台证书序列号Wechatpay-Serial错误")
        return None

    def signed(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint from what it does with an authentic request."""

        async def endpoint(request: Request) -> Response:
            body = await request.body()
            fault = self._control.next_api_fault()
            if fault in _FAULTS:
                return error(*_FAULTS[fault])
            if fault is ApiFault.TIMEOUT:
                return await silence(request)
            if refused := self.stranger(request, body):
                return refused
            try:
                status, document = handler(request, body)
            except RefusedError as refusal:
                return error(refusal.status, refusal.code, str(refusal))
            except TradeRefusedError as refusal:
                return error(*_CODES[refusal.problem], refusal.problem)
            if fault is ApiFault.LOST_ANSWER:
                return await silence(request)
            return self._answer(request, status, document, fault)

        return endpoint

    def _answer(self, request: Request, status: int, document: Document | None, fault: ApiFault | None) -> Response:
        body = b"" if document is None else json.dumps(document, ensure_ascii=False).encode()
        signer = signing.signer(self._merchant, public_key=self.uses_public_key(request))
        headers = signer.headers(body + b" " if fault is ApiFault.WRONGLY_SIGNED else body)
        response = Response(body, status, media_type="application/json")
        if fault is not ApiFault.UNSIGNED:
            response.headers.update(headers)
        return response
