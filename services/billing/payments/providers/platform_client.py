"""The line to the platform of mini-programs: `/xpay/*`, with an access token and the signature of virtual payment.

wechatpy is synchronous and knows no stable tokens. Source: WeChat's documents of stable tokens and virtual payment.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
import structlog

from services.billing.payments.providers import translation
from services.billing.payments.providers.trust import trusted

NAME = "virtual-payment"

_TIMEOUT = httpx.Timeout(5.0, connect=2.0)
_WHOLE_TIMEOUT_S = 8.0

# The platform hands out the next token so long before the end of this one.
_OVERLAP_S = 300.0

_TOKEN_REFUSED = frozenset({40001, 40014, 42001})

# System error, too many calls, being worked on, and a refund while another of the order is under way.
_TRANSIENT = frozenset({-1, 45009, 45011, 268490011, 268490012, 268490014, 268490015, 268490016})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class VirtualPaymentSettings:
    """A mini-program's account with virtual payment.

    Attributes:
        base_url: `https://api.weixin.qq.com`.
        secret: The mini-program's.
        offer_id: As the console of virtual payment gives it.
        app_key: As the console gives it: one key for real payments, another for trials.
        message_token: The token of message pushes.
        encoding_aes_key: Their key, 43 characters; empty for messages in plain text.
        is_trial: The platform's own sandbox, where nobody pays.
    """

    base_url: str
    appid: str
    offer_id: str
    secret: str = field(repr=False)
    app_key: str = field(repr=False)
    message_token: str = field(repr=False)
    encoding_aes_key: str = field(default="", repr=False)
    is_trial: bool = False

    @property
    def env(self) -> int:
        """The platform's number for real payments, 0, or trials, 1."""
        return int(self.is_trial)


def hmac_sha256(key: str, message: str) -> str:
    """As the signatures of virtual payment are: lower-case hex."""
    return hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()


class PlatformClient:
    """Asks the platform about one mini-program's virtual payments."""

    def __init__(self, settings: VirtualPaymentSettings) -> None:
        """Speak for this mini-program."""
        self._settings = settings
        base_url = settings.base_url.rstrip("/")
        self._http = httpx.AsyncClient(base_url=base_url, timeout=_TIMEOUT, verify=trusted(base_url))
        self._refreshing = asyncio.Lock()
        self._token = ""
        self._token_ends_at = 0.0

    async def aclose(self) -> None:
        """Close connections."""
        await self._http.aclose()

    async def ask(self, path: str, document: Mapping[str, object]) -> Mapping[str, object]:
        """What the platform answers; a token that it no longer takes is fetched again, once.

        Raises:
            PaymentUnavailableError: No answer, or none that can be understood.
            PaymentRefusedError: A no; `provider_code` is the errcode.
        """
        body = json.dumps(document, ensure_ascii=False)
        pay_sig = hmac_sha256(self._settings.app_key, f"{path}&{body}")
        try:
            async with asyncio.timeout(_WHOLE_TIMEOUT_S):
                answer, errcode = await self._ask_once(path, pay_sig, body)
                if errcode in _TOKEN_REFUSED:
                    answer, errcode = await self._ask_once(path, pay_sig, body)
        except (httpx.HTTPError, TimeoutError) as error:
            log.warning("the platform does not answer", error=type(error).__name__)
            raise translation.unavailable(NAME) from None
        if errcode == 0:
            return answer
        log.warning("virtual payment refuses", path=path, errcode=errcode)
        if errcode in _TRANSIENT | _TOKEN_REFUSED:
            raise translation.unavailable(NAME)
        raise translation.refusal(NAME, str(errcode))

    async def _ask_once(self, path: str, pay_sig: str, body: str) -> tuple[Mapping[str, object], int]:
        token = await self._access_token()
        answer = await self._post(path, body, {"access_token": token, "pay_sig": pay_sig})
        errcode = _errcode(answer)
        if errcode in _TOKEN_REFUSED and token == self._token:
            self._token_ends_at = 0.0
        return answer, errcode

    async def _access_token(self) -> str:
        async with self._refreshing:
            if time.monotonic() < self._token_ends_at:
                return self._token
            account = {
                "grant_type": "client_credential",
                "appid": self._settings.appid,
                "secret": self._settings.secret,
            }
            answer = await self._post("/cgi-bin/stable_token", json.dumps(account), {})
            token, lasts_s = answer.get("access_token"), answer.get("expires_in")
            if not isinstance(token, str) or not token or not isinstance(lasts_s, int):
                log.error("the platform gives no access token", errcode=answer.get("errcode"))
                raise translation.unavailable(NAME)
            self._token, self._token_ends_at = token, time.monotonic() + lasts_s - _OVERLAP_S
            return token

    async def _post(self, path: str, body: str, query: Mapping[str, str]) -> Mapping[str, object]:
        answer = await self._http.post(
            path, params=query, content=body.encode(), headers={"Content-Type": "application/json"}
        )
        answer.raise_for_status()
        try:
            document = answer.json()
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            log.error("the platform's answer cannot be understood", path=path)
            raise translation.unavailable(NAME)
        return document


def _errcode(answer: Mapping[str, object]) -> int:
    """Zero, or missing, is success."""
    errcode = answer.get("errcode", 0)
    return errcode if isinstance(errcode, int) else -1
