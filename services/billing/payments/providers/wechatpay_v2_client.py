"""The line to WeChat Pay v2: wechatpy's client, at an address of ours, which believes only what is signed.

Left alone, wechatpy verifies no answer, signs with MD5 alone, and waits for ever.
"""

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

import requests
from wechatpy.crypto import WeChatRefundCrypto
from wechatpy.crypto.base import BaseRefundCrypto
from wechatpy.exceptions import WeChatPayException
from wechatpy.pay import WeChatPay

from services.billing.payments.providers import signed_xml, translation
from services.billing.payments.providers.signed_xml import Fields
from services.billing.payments.providers.translation import MismatchError
from services.runtime.errors import ConfigurationError

# Connecting, and then each silence within an answer.
_TIMEOUT_S = (2.0, 5.0)

# What a bill's refusal says instead of a code.
_BILL_EMPTY = "No Bill Exist"


@dataclass(frozen=True, slots=True)
class WeChatPayV2Settings:
    """A merchant's account.

    Attributes:
        base_url: `https://api.mch.weixin.qq.com`.
        notify_url: Where WeChat calls back, without a query.
        api_key: The older API's key, 32 characters.
        mch_cert_file: The merchant's certificate, for refunds; empty refuses them.
        mch_key_file: Its key.
        sign_type: How requests are signed.
    """

    base_url: str
    mchid: str
    appid: str
    notify_url: str
    api_key: str = field(repr=False)
    mch_cert_file: str = ""
    mch_key_file: str = ""
    sign_type: Literal["MD5", "HMAC-SHA256"] = "MD5"


class Client(WeChatPay):  # type: ignore[misc]  # wechatpy publishes no types
    """Signs, sends, verifies."""

    def __init__(self, settings: WeChatPayV2Settings) -> None:
        """Speak for this account.

        Raises:
            ConfigurationError: Half of the certificate is missing.
        """
        if bool(settings.mch_cert_file) != bool(settings.mch_key_file):
            raise ConfigurationError(
                "The merchant's certificate and its key belong together: set both files, or neither."
            )
        super().__init__(
            appid=settings.appid,
            api_key=settings.api_key,
            mch_id=settings.mchid,
            mch_cert=settings.mch_cert_file or None,
            mch_key=settings.mch_key_file or None,
            timeout=_TIMEOUT_S,
        )
        self.API_BASE_URL = f"{settings.base_url.rstrip('/')}/"
        self._sign_type = settings.sign_type

    def disconnect(self) -> None:
        """Close connections."""
        self._http.close()

    @property
    def can_refund(self) -> bool:
        """Whether there is a certificate, or, on plain HTTP to this machine, nothing that could ask for one."""
        return bool(self.mch_cert) or _is_local(self.API_BASE_URL)

    def opened_refund(self, said: Fields) -> Fields:
        """What a refund's notice holds in `req_info`.

        Raises:
            MismatchError: It was not encrypted with our key.
        """
        try:
            plain = BaseRefundCrypto(WeChatRefundCrypto(self.api_key).key)._decrypt(said["req_info"])  # noqa: SLF001  # wechatpy's public way parses XML it has not checked
            return signed_xml.parse(plain, "root")
        except (ValueError, IndexError, TypeError):
            raise MismatchError("req_info") from None

    def _request(self, method: str, url_or_endpoint: str, **kwargs: Any) -> Fields | bytes:
        if self._sign_type == signed_xml.HMAC:
            kwargs["data"]["sign_type"] = signed_xml.HMAC
        answer: Fields | bytes = super()._request(method, url_or_endpoint, **kwargs)
        return answer

    def _handle_result(self, res: requests.Response) -> Fields | bytes:
        """An answer's fields; a bill as it came.

        Raises:
            MismatchError: It is not signed, or about another account.
            WeChatPayException: WeChat says no.
        """
        if not res.content.lstrip().startswith(b"<xml"):
            return res.content
        said = signed_xml.parse(res.content)
        if said.get("return_code") != "SUCCESS":
            # Not signed: nothing but a missing bill is taken from it.
            code = "NO_BILL_EXIST" if said.get("return_msg") == _BILL_EMPTY else None
            raise WeChatPayException(said.get("return_code"), errcode=code)
        signed_xml.check_signed(said, self.api_key)
        translation.check_ours(said.get("appid"), self.appid, "appid")
        translation.check_ours(said.get("mch_id"), self.mch_id, "mchid")
        if said.get("result_code") != "SUCCESS":
            raise WeChatPayException(said["return_code"], said.get("result_code"), errcode=said.get("err_code"))
        return said


def _is_local(base_url: str) -> bool:
    parts = urlsplit(base_url)
    if parts.scheme != "http" or parts.hostname is None:
        return False
    try:
        return ip_address(parts.hostname).is_loopback
    except ValueError:
        return parts.hostname == "localhost"
