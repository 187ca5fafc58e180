"""WeChat Pay's side of APIv3: real keys, and callbacks and answers signed with them."""

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from services.billing.payments.domain import Callback
from services.billing.payments.providers.wechatpay_client import WeChatPayV3Settings

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
APPID, MCHID, OPENID = "wxd678efh567hg6787", "1900000109", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
APIV3_KEY = "0123456789abcdefghijABCDEFGHIJ!!"
PUBLIC_KEY_ID = "PUB_KEY_ID_0116512345678901234567890000"
BASE_URL = "https://api.mch.weixin.qq.com"
SCHEME = "WECHATPAY2-SHA256-RSA2048"


def _key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def _certificate(key: RSAPrivateKey) -> x509.Certificate:
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com sign")]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    return (
        builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1)).sign(key, SHA256())
    )


@dataclass
class WeChatPayPlatform:
    """Both of the platform's keys and the merchant's, and what it answers."""

    merchant_key: RSAPrivateKey = field(default_factory=_key)
    public_key: RSAPrivateKey = field(default_factory=_key)
    certificate_key: RSAPrivateKey = field(default_factory=_key)

    def __post_init__(self) -> None:
        """Have a certificate made."""
        self.certificate = _certificate(self.certificate_key)
        self.serial = f"{self.certificate.serial_number:X}"

    def settings(self, **changes: str) -> WeChatPayV3Settings:
        """The merchant's account, by default in the mode of the public key."""
        private_key = self.merchant_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public_key = self.public_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        values = {
            "base_url": BASE_URL,
            "mchid": MCHID,
            "appid": APPID,
            "cert_serial_no": "444F4864EA9B34415",
            "notify_url": "https://chat.example.com/v1/payments/wechatpay/notify",
            "private_key": private_key.decode(),
            "apiv3_key": APIV3_KEY,
            "public_key_id": PUBLIC_KEY_ID,
            "public_key": public_key.decode(),
        }
        return WeChatPayV3Settings(**values | changes)

    def signed(self, body: bytes, *, at: datetime = NOW, by_certificate: bool = False) -> dict[str, str]:
        """The headers that sign a body, in lower case."""
        timestamp, nonce = str(int(at.timestamp())), secrets.token_hex(16)
        key = self.certificate_key if by_certificate else self.public_key
        signature = key.sign(f"{timestamp}\n{nonce}\n".encode() + body + b"\n", PKCS1v15(), SHA256())
        return {
            "wechatpay-timestamp": timestamp,
            "wechatpay-nonce": nonce,
            "wechatpay-signature": base64.b64encode(signature).decode(),
            "wechatpay-signature-type": SCHEME,
            "wechatpay-serial": self.serial if by_certificate else PUBLIC_KEY_ID,
        }

    def callback(
        self,
        resource: object,
        *,
        event_type: str = "TRANSACTION.SUCCESS",
        key: str = APIV3_KEY,
        by_certificate: bool = False,
    ) -> Callback:
        """An event, encrypted and signed."""
        event = {
            "id": "EV-1",
            "create_time": "2026-11-23T12:00:00+08:00",
            "resource_type": "encrypt-resource",
            "event_type": event_type,
            "resource": {"original_type": "transaction", **_sealed(json.dumps(resource), "transaction", key)},
        }
        return self.raw(json.dumps(event).encode(), by_certificate=by_certificate)

    def raw(self, body: bytes, *, by_certificate: bool = False) -> Callback:
        """Any body, signed."""
        return Callback(self.signed(body, by_certificate=by_certificate), {}, body)

    def certificates(self, request: httpx.Request) -> httpx.Response:
        """What `/v3/certificates` answers."""
        assert request.url.path == "/v3/certificates"
        pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        entry = {
            "serial_no": self.serial,
            "effective_time": "2026-01-01T00:00:00+08:00",
            "expire_time": "2030-01-01T00:00:00+08:00",
            "encrypt_certificate": _sealed(pem, "certificate", APIV3_KEY),
        }
        return httpx.Response(200, json={"data": [entry]})

    def answer(self, status: int, document: object, *, signed: bool = True) -> httpx.Response:
        """An answer of the API."""
        body = json.dumps(document).encode()
        headers = {"content-type": "application/json"} | (self.signed(body) if signed else {})
        return httpx.Response(status, content=body, headers=headers)


class Answers:
    """What WeChat Pay answers next, and what it was asked."""

    def __init__(self, platform: WeChatPayPlatform) -> None:
        self.next: Callable[[httpx.Request], httpx.Response] = platform.certificates
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.next(request)


def a_transaction(**changes: object) -> dict[str, Any]:
    """A paid order as WeChat Pay tells it."""
    return {
        "appid": APPID,
        "mchid": MCHID,
        "out_trade_no": "order-1",
        "transaction_id": "4200000000000000000000000001",
        "trade_type": "JSAPI",
        "trade_state": "SUCCESS",
        "success_time": "2026-11-23T11:59:59+08:00",
        "payer": {"openid": OPENID},
        "amount": {"total": 1000, "payer_total": 1000, "currency": "CNY", "payer_currency": "CNY"},
    } | changes


def _sealed(plaintext: str, associated_data: str, key: str) -> dict[str, str]:
    nonce = secrets.token_hex(6)
    sealed = AESGCM(key.encode()).encrypt(nonce.encode(), plaintext.encode(), associated_data.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(sealed).decode(),
        "nonce": nonce,
        "associated_data": associated_data,
    }
