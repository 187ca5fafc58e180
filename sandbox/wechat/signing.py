"""APIv3's cryptography, both directions: SHA256withRSA over lines, AES-256-GCM for resources.

Source: WeChat Pay's APIv3 documents (signing of requests, responses and notices).
"""

import base64
import binascii
import re
import secrets
import time
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from sandbox.wechat.merchant import Merchant

_SCHEME = "WECHATPAY2-SHA256-RSA2048"
_CLOCK_SKEW_S_MAX = 300


@dataclass(frozen=True)
class Signer:
    """One of the platform's keys, and the serial by which merchants know it."""

    serial: str
    key: rsa.RSAPrivateKey

    def headers(self, body: bytes, *, age_s: int = 0) -> dict[str, str]:
        """The headers that sign a response or a notice.

        Args:
            body: The raw body; empty for a 204.
            age_s: How long ago it pretends to have been signed, in seconds.
        """
        timestamp, nonce = str(int(time.time()) - age_s), secrets.token_hex(16)
        message = b"\n".join((timestamp.encode(), nonce.encode(), body, b""))
        return {
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": base64.b64encode(self.key.sign(message, PKCS1v15(), SHA256())).decode(),
            "Wechatpay-Signature-Type": _SCHEME,
            "Wechatpay-Serial": self.serial,
        }


def signer(merchant: Merchant, *, public_key: bool) -> Signer:
    """The WeChat Pay public key's signer, or the platform certificate's."""
    if public_key:
        return Signer(merchant.public_key_id, merchant.public_key_private)
    return Signer(merchant.platform_serial_no, merchant.platform_key)


def problem_with(authorization: str, merchant: Merchant, method: str, path: str, body: bytes) -> str:
    """Why a request is not the merchant's own, in WeChat's words; empty when it is.

    Args:
        authorization: The header of that name.
        merchant: Whose certificate must have signed.
        method: The HTTP method.
        path: The path with its query, exactly as sent.
        body: The raw body.
    """
    scheme, _, rest = authorization.partition(" ")
    said = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    if scheme != _SCHEME or not said.keys() >= {"mchid", "nonce_str", "signature", "timestamp", "serial_no"}:
        return "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》"
    if said["mchid"] != merchant.mchid:
        return "商户号不存在"
    if said["serial_no"].upper().lstrip("0") != merchant.serial_no.lstrip("0"):
        return "商户证书序列号有误，请使用签名私钥匹配的证书序列号"
    if not said["timestamp"].isdigit() or abs(time.time() - int(said["timestamp"])) > _CLOCK_SKEW_S_MAX:
        return "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟"
    public_key = merchant.merchant_certificate.public_key()
    message = "\n".join((method, path, said["timestamp"], said["nonce_str"], "")).encode() + body + b"\n"
    try:
        signature = base64.b64decode(said["signature"], validate=True)
        if isinstance(public_key, rsa.RSAPublicKey):
            public_key.verify(signature, message, PKCS1v15(), SHA256())
            return ""
    except (InvalidSignature, binascii.Error):
        pass
    return "错误的签名，验签失败"


def encrypt(apiv3_key: str, plaintext: bytes, associated_data: str) -> dict[str, str]:
    """AEAD_AES_256_GCM as resources and certificates carry it: base64 of ciphertext and tag, a nonce of 12 bytes."""
    nonce = secrets.token_hex(6)
    sealed = AESGCM(apiv3_key.encode()).encrypt(nonce.encode(), plaintext, associated_data.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(sealed).decode(),
        "nonce": nonce,
        "associated_data": associated_data,
    }
