"""What every call of WeChat Pay v2 passes: the signature is verified, the answer is signed in the same manner.

Source: WeChat Pay's v2 documents.
"""

import hmac
import secrets
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from sandbox.wechat.faults import silence
from sandbox.wechat.merchant import Merchant
from sandbox.wechat.misbehaviour import ApiFault, Control
from sandbox.wechat.orders import Problem, TradeRefusedError
from sandbox.wechat.v2_messages import HMAC, Fields, parse, sign, signed_xml, xml

_CODES = {
    Problem.ORDER_NOT_EXIST: "ORDERNOTEXIST",
    Problem.OUT_TRADE_NO_USED: "OUT_TRADE_NO_USED",
    Problem.ORDER_PAID: "ORDERPAID",
    Problem.ORDER_NOT_PAID: "TRADE_STATE_ERROR",
    Problem.ORDER_CLOSED: "ORDERCLOSED",
    Problem.OTHER_PAYER: "PARAM_ERROR",
    Problem.REFUND_NOT_EXIST: "REFUNDNOTEXIST",
    Problem.REFUND_CHANGED: "PARAM_ERROR",
    Problem.TOTAL_DIFFERS: "REFUND_FEE_MISMATCH",
    Problem.REFUND_TOO_LARGE: "NOTENOUGH",
}

_FAULTS = {
    ApiFault.SYSTEM_ERROR: ("SYSTEMERROR", "系统超时"),
    ApiFault.FREQUENCY_LIMITED: ("FREQUENCY_LIMITED", "频率限制"),
}

Handler = Callable[[Fields], Fields]


class RefusedError(Exception):
    """A request that is answered with `result_code` FAIL."""

    def __init__(self, code: str, message: str) -> None:
        """Say why."""
        super().__init__(message)
        self.code = code


def fail(message: str, **more: str) -> Response:
    """A request that could not be taken at all: `return_code` FAIL, which has no signature."""
    return _xml(xml({"return_code": "FAIL", "return_msg": message} | more))


class Gate:
    """Stands before one merchant's endpoints."""

    def __init__(self, merchant: Merchant, appid: str, control: Control) -> None:
        """Let this merchant pass."""
        self._merchant = merchant
        self._account = {"appid": appid, "mch_id": merchant.mchid}
        self._control = control

    def authentic(self, body: bytes) -> Fields | Response:
        """What the merchant said, or the refusal of what it did not say."""
        if not body:
            return fail("POST_DATA_EMPTY")
        said = parse(body)
        if said is None:
            return fail("XML_FORMAT_ERROR")
        for name, code in (("appid", "APPID_NOT_EXIST"), ("mch_id", "MCHID_NOT_EXIST")):
            if said.get(name) != self._account[name]:
                return fail(code)
        if not hmac.compare_digest(said.get("sign", "").encode(), sign(said, self._merchant.v2_key).encode()):
            return fail("签名错误")
        return said

    def signed(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint from what it does with an authentic request."""

        async def endpoint(request: Request) -> Response:
            said = self.authentic(await request.body())
            fault = self._control.next_api_fault()
            if fault is ApiFault.TIMEOUT:
                return await silence(request)
            if isinstance(said, Response):
                return said
            if fault in _FAULTS:
                return self._refuse(said, *_FAULTS[fault])
            try:
                answer = handler(said)
            except RefusedError as refusal:
                return self._refuse(said, refusal.code, str(refusal))
            except TradeRefusedError as refusal:
                return self._refuse(said, _CODES[refusal.problem], refusal.problem)
            if fault is ApiFault.LOST_ANSWER:
                return await silence(request)
            return self._answer(said, {"result_code": "SUCCESS"} | answer, fault)

        return endpoint

    def _refuse(self, said: Fields, code: str, message: str) -> Response:
        return self._answer(said, {"result_code": "FAIL", "err_code": code, "err_code_des": message})

    def _answer(self, said: Fields, answer: Fields, fault: ApiFault | None = None) -> Response:
        fields = self._account | {"return_code": "SUCCESS", "return_msg": "OK", "nonce_str": secrets.token_hex(16)}
        fields |= answer
        if said.get("sign_type") == HMAC:
            fields["sign_type"] = HMAC
        if fault is ApiFault.UNSIGNED:
            return _xml(xml(fields))
        return _xml(signed_xml(fields, "not the key" if fault is ApiFault.WRONGLY_SIGNED else self._merchant.v2_key))


def _xml(document: bytes) -> Response:
    return Response(document, media_type="text/xml")
