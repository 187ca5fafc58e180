"""The line to WeChat Pay's APIv3: wechatpayv3's client, at an address of ours, and with errors of ours.

Left alone, wechatpayv3 fetches platform certificates at startup and for every unknown serial, knows none while it does,
and raises bare Exceptions.
"""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Self

import httpx
import structlog
from cryptography import x509
from wechatpayv3.async_ import AsyncWeChatPay
from wechatpayv3.async_.core import AsyncCore
from wechatpayv3.async_.type import WeChatPayType

from services.billing.payments.domain import Callback
from services.billing.payments.errors import CallbackRefusedError
from services.billing.payments.providers import translation
from services.billing.payments.providers.trust import trusted
from services.runtime.errors import ConfigurationError

NAME = "wechatpay"

_CONNECT_TIMEOUT_S = 2.0
_ANSWER_TIMEOUT_S = 5.0
_WHOLE_TIMEOUT_S = 8.0
# WeChat waits five seconds for the answer to a notice.
_CERTIFICATES_TIMEOUT_S = 3.0

# Anyone can send a callback with an invented serial: that must not make us ask WeChat each time.
_REFRESH_INTERVAL_S = 60.0

_APIV3_KEY_BYTES = 32
_SCHEME = "WECHATPAY2-SHA256-RSA2048"
# WeChat probes now and then whether wrong signatures are refused.
_PROBE = "WECHATPAY/SIGNTEST/"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WeChatPayV3Settings:
    """A merchant's account.

    Attributes:
        base_url: `https://api.mch.weixin.qq.com`.
        cert_serial_no: The serial of the merchant's certificate, in hex.
        notify_url: Where WeChat calls back, without a query.
        private_key: The merchant's key, as PEM text in PKCS#8.
        apiv3_key: 32 characters.
        public_key_id: `PUB_KEY_ID_…`; empty, as `public_key`, for a merchant who verifies by platform certificates.
        public_key: WeChat Pay's key, as PEM text.
    """

    base_url: str
    mchid: str
    appid: str
    cert_serial_no: str
    notify_url: str
    private_key: str = field(repr=False)
    apiv3_key: str = field(repr=False)
    public_key_id: str = ""
    public_key: str = ""


class WeChatPayClient:
    """Signs, sends, and believes only what WeChat Pay has signed."""

    def __init__(self, settings: WeChatPayV3Settings) -> None:
        """Speak for this account.

        Raises:
            ConfigurationError: The account cannot work as it is set.
        """
        self.base_url = settings.base_url.rstrip("/")
        if bool(settings.public_key) != bool(settings.public_key_id):
            raise ConfigurationError("WeChat Pay's public key and its id belong together: set both, or neither.")
        if len(settings.apiv3_key.encode()) != _APIV3_KEY_BYTES:
            raise ConfigurationError(
                "WeChat Pay's APIv3 key has 32 characters: copy it again from the merchant platform."
            )
        try:
            self._core = _Core(settings, self.base_url)
        except Exception:  # noqa: BLE001  # all that wechatpayv3 raises when it cannot read a key
            raise ConfigurationError(
                "WeChat Pay's keys cannot be read: they are PEM files, the private one PKCS#8."
            ) from None
        self.api = AsyncWeChatPay(
            wechatpay_type=WeChatPayType.JSAPI,
            mchid=settings.mchid,
            private_key=None,
            cert_serial_no=settings.cert_serial_no,
            appid=settings.appid,
            apiv3_key=settings.apiv3_key,
            notify_url=settings.notify_url,
        )
        self.api._core = self._core  # noqa: SLF001  # wechatpayv3 has no other way to another address

    async def ask(self, call: Awaitable[tuple[int, str | bytes]]) -> Mapping[str, object]:
        """The answer to a call of `api`, which wechatpayv3 has verified; empty for 204.

        Raises:
            PaymentUnavailableError: No answer, or none that can be believed.
            PaymentRefusedError: A no.
        """
        content = await self.download(call, _WHOLE_TIMEOUT_S)
        document = _document(content) if content else {}
        if document is None:
            log.error("wechatpay's answer cannot be believed", problem="malformed")
            raise translation.unavailable(NAME)
        return document

    async def download(self, call: Awaitable[tuple[int, str | bytes]], timeout_s: float) -> bytes:
        """As `ask`, for an answer that is a file."""
        try:
            async with asyncio.timeout(timeout_s):
                status, content = await call
        except Exception as error:  # noqa: BLE001  # wechatpayv3 raises bare Exceptions, for a wrong signature too
            log.warning("wechatpay gives no answer that can be believed", error=type(error).__name__)
            raise translation.unavailable(NAME) from None
        content = content.encode() if isinstance(content, str) else content
        if 200 <= status < 300:
            return content
        code = (_document(content) or {}).get("code")
        log.warning("wechatpay refuses", status=status, code=code)
        # A server that fails, or is busy, may have done it nevertheless, whatever code it gives.
        may_be_done = (status >= 500 or status == 429) and code != "OPENID_MISMATCH"
        if isinstance(code, str) and code and not may_be_done:
            raise translation.refusal(NAME, code)
        # Whoever answers without a code is something before WeChat Pay.
        raise translation.unavailable(NAME)

    async def open(self, callback: Callback) -> Mapping[str, object]:
        """A callback's event with its resource decrypted; whether it is fresh is not looked at.

        Raises:
            CallbackRefusedError: WeChat Pay did not sign it.
        """
        headers = {name: value for name, value in callback.headers.items() if name.startswith("wechatpay-")}
        if headers.get("wechatpay-signature", "").startswith(_PROBE):
            raise CallbackRefusedError("signtest")
        if not await self._knows(headers.get("wechatpay-serial", "")):
            raise CallbackRefusedError("serial")
        try:
            # Without a type it is still verified as the only one there is.
            event = self.api.callback({"wechatpay-signature-type": _SCHEME} | headers, callback.body)
        except Exception:  # noqa: BLE001  # as above; whatever it stumbles over, the sender wrote it
            raise CallbackRefusedError("malformed") from None
        if not isinstance(event, dict) or not isinstance(event.get("resource"), dict):
            raise CallbackRefusedError("unverified")
        return event

    async def _knows(self, serial: str) -> bool:
        try:
            async with asyncio.timeout(_CERTIFICATES_TIMEOUT_S):
                return await self._core.knows(serial)
        except Exception as error:  # noqa: BLE001  # as above
            log.warning("wechatpay gives no certificates", error=type(error).__name__)
            return False


class _Core(AsyncCore):  # type: ignore[misc]  # wechatpayv3 publishes no types
    """wechatpayv3's core, whose platform certificates come when they are needed: a process starts without WeChat."""

    def __init__(self, settings: WeChatPayV3Settings, base_url: str) -> None:
        super().__init__(
            mchid=settings.mchid,
            cert_serial_no=settings.cert_serial_no,
            private_key=settings.private_key,
            apiv3_key=settings.apiv3_key,
            public_key=settings.public_key or None,
            public_key_id=settings.public_key_id or None,
        )
        self._gate_way = base_url
        self._certificates: list[x509.Certificate] = []
        self._refreshing = asyncio.Lock()
        self._refresh_allowed_at = 0.0

    async def __aenter__(self) -> Self:
        """Open the client; wechatpayv3's would believe every authority, wherever it speaks to."""
        timeout = httpx.Timeout(_ANSWER_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S)
        self._client = httpx.AsyncClient(timeout=timeout, verify=trusted(self._gate_way))
        return self

    async def knows(self, serial: str) -> bool:
        """Whether a signature under this serial can be verified, if need be after asking for certificates."""
        if serial and serial == self._public_key_id:
            return True
        if re.fullmatch(r"[0-9A-Fa-f]{1,40}", serial) is None:
            return False
        if not self._has_certificate(serial):
            await self._update_certificates()
        return self._has_certificate(serial)

    def _has_certificate(self, serial: str) -> bool:
        return any(certificate.serial_number == int(serial, 16) for certificate in self._certificates)

    async def _update_certificates(self) -> None:
        async with self._refreshing:
            if time.monotonic() < self._refresh_allowed_at:
                return
            self._refresh_allowed_at = time.monotonic() + _REFRESH_INTERVAL_S
            known = list(self._certificates)
            try:
                # Empties the list first; whoever looks meanwhile comes here and waits.
                await super()._update_certificates()
            finally:
                self._certificates = self._certificates or known


def _document(content: bytes) -> Mapping[str, object] | None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
