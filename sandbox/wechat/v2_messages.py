"""The XML of WeChat Pay v2: signed documents, and the notices of payments and refunds.

Written after WeChat Pay's v2 documents, and not by wechatpy: the ledger reads and signs by that, and two who share a
mistake would agree.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from xml.parsers.expat import ExpatError

import xmltodict
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from sandbox.wechat.merchant import Merchant, random_key
from sandbox.wechat.misbehaviour import How
from sandbox.wechat.notifier import Message, Notice
from sandbox.wechat.orders import Order, Refund, RefundState

Fields = dict[str, str]

HMAC = "HMAC-SHA256"

# v2's words for how a refund stands.
REFUND_STATUS = {
    RefundState.PROCESSING: "PROCESSING",
    RefundState.SUCCESS: "SUCCESS",
    RefundState.ABNORMAL: "CHANGE",
    RefundState.CLOSED: "REFUNDCLOSE",
}

_HEADERS = {"Content-Type": "text/xml; charset=utf-8"}


def parse(body: bytes) -> Fields | None:
    """The fields of `<xml>`; None when it is no such document."""
    try:
        document = xmltodict.parse(body)
    except (ExpatError, ValueError):
        return None
    fields = document.get("xml")
    if not isinstance(fields, dict) or not all(isinstance(value, str | None) for value in fields.values()):
        return None
    return {name: value or "" for name, value in fields.items()}


def sign(fields: Mapping[str, str], key: str) -> str:
    """The signature over everything but `sign` itself: HMAC-SHA256 when `sign_type` says so, else MD5."""
    said = [f"{name}={value}" for name, value in sorted(fields.items()) if value and name != "sign"]
    text = "&".join([*said, f"key={key}"]).encode()
    if fields.get("sign_type") == HMAC:
        return hmac.new(key.encode(), text, hashlib.sha256).hexdigest().upper()
    return hashlib.md5(text).hexdigest().upper()  # noqa: S324  # the protocol's own choice


def xml(fields: Mapping[str, str]) -> bytes:
    """The document without a signature."""
    return f"<xml>{''.join(f'<{name}><![CDATA[{value}]]></{name}>' for name, value in fields.items())}</xml>".encode()


def signed_xml(fields: Mapping[str, str], key: str) -> bytes:
    """The document with its signature."""
    return xml({**fields, "sign": sign(fields, key)})


def paid_fields(order: Order) -> Fields:
    """What an order's query and its notice say of the payment."""
    if order.paid_at is None:
        return {}
    return {
        "openid": order.openid,
        "is_subscribe": "N",
        "trade_type": order.trade_type,
        "bank_type": "OTHERS",
        "total_fee": str(order.amount_fen),
        "settlement_total_fee": str(order.amount_fen),
        "cash_fee": str(order.amount_fen),
        "fee_type": "CNY",
        "transaction_id": order.transaction_id,
        "attach": order.attach,
        "time_end": f"{order.paid_at:%Y%m%d%H%M%S}",
    }


class V2Notices:
    """Makes the notices of one merchant."""

    def __init__(self, merchant: Merchant, appid: str) -> None:
        """Make notices of this account's trade."""
        self._merchant = merchant
        self._account = {"appid": appid, "mch_id": merchant.mchid}

    def payment(self, order: Order, how: How) -> Notice:
        """The payment's result, in this manner; a forged one is signed with another API key."""
        key = random_key() if how is How.FORGED else self._merchant.v2_key
        result = {"return_code": "SUCCESS", "result_code": "SUCCESS", "out_trade_no": order.out_trade_no}
        fields = self._account | result | paid_fields(order) | _lie(order, how)
        if order.sign_type == HMAC:
            fields["sign_type"] = HMAC

        def compose(number: int) -> Message:
            fresh = fields | {"nonce_str": secrets.token_hex(16)}
            return Message(order.notify_url, _HEADERS, signed_xml(fresh, key))

        return Notice(order.out_trade_no, "payment", compose, _accepts)

    def refund(self, refund: Refund, order: Order) -> Notice:
        """The refund's result, encrypted in `req_info` and without a signature."""
        told = {
            "transaction_id": order.transaction_id,
            "out_trade_no": order.out_trade_no,
            "refund_id": refund.refund_id,
            "out_refund_no": refund.out_refund_no,
            "total_fee": str(order.amount_fen),
            "settlement_total_fee": str(order.amount_fen),
            "refund_fee": str(refund.amount_fen),
            "settlement_refund_fee": str(refund.amount_fen),
            "refund_status": REFUND_STATUS[refund.state],
            "success_time": f"{refund.ended_at:%Y-%m-%d %H:%M:%S}" if refund.state is RefundState.SUCCESS else "",
            "refund_recv_accout": "支付用户零钱",  # sic
            "refund_account": "REFUND_SOURCE_UNSETTLED_FUNDS",
            "refund_request_source": "API",
        }
        req_info = _encrypt(xmltodict.unparse({"root": told}, full_document=False), self._merchant.v2_key)
        outside = self._account | {"return_code": "SUCCESS", "req_info": req_info}

        def compose(number: int) -> Message:
            return Message(refund.notify_url, _HEADERS, xml(outside | {"nonce_str": secrets.token_hex(16)}))

        return Notice(order.out_trade_no, "refund", compose, _accepts)


def _accepts(status: int, body: bytes) -> bool:
    """v2 wants the word SUCCESS in XML."""
    fields = parse(body) if status == 200 else None
    return fields is not None and fields.get("return_code") == "SUCCESS"


def _lie(order: Order, how: How) -> Fields:
    """What a notice of this manner says wrongly."""
    if how is How.WRONG_AMOUNT:
        return dict.fromkeys(("total_fee", "settlement_total_fee", "cash_fee"), str(order.amount_fen + 1))
    if how is How.OTHER_PAYER:
        return {"openid": "oSomebodyElse000000000000000"}
    if how is How.OTHER_MERCHANT:
        return {"mch_id": "1900000000"}
    if how is How.OTHER_APPID:
        return {"appid": "wx0000000000000000"}
    return {}


def _encrypt(text: str, key: str) -> str:
    """AES-256-ECB with PKCS#7 under lower-case hex of MD5(API key), as base64."""
    digest = hashlib.md5(key.encode()).hexdigest().encode()  # noqa: S324  # the protocol's own choice
    padder = PKCS7(128).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(digest), modes.ECB()).encryptor()  # noqa: S305  # the protocol's own choice
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()
