"""WeChat's login, through wechatpy: a code of `wx.login` becomes an openid and a session key.

Source of the error codes: WeChat's document of auth.code2Session.
"""

import asyncio
from typing import Any

import requests
import structlog
from wechatpy.client import WeChatClient
from wechatpy.exceptions import WeChatClientException

from services.gateway.errors import InvalidLoginCodeError, LoginBlockedError
from services.gateway.identity.domain import PlatformSession
from services.runtime.errors import ServiceError, UnavailableError

# wechatpy sets no timeout by itself. Connecting, and then each silence within an answer.
_TIMEOUT_S = (2.0, 4.0)
_WHOLE_TIMEOUT_S = 8.0

# WeChat's are far shorter.
_CHARACTERS_MAX = 256

_INVALID_CODE = 40029
_CODE_USED = 40163
_CODE_BLOCKED = 40226
# The platform's "system error" and its limit per minute pass by themselves.
_TRANSIENT = (-1, 45011)

log = structlog.get_logger()


class WeChatLogin:
    """Asks WeChat who is logging in."""

    def __init__(self, *, base_url: str, appid: str, secret: str) -> None:
        """Log users of this mini-program in."""
        self._client = _MiniProgramClient(base_url, appid, secret)

    async def session(self, code: str) -> PlatformSession:
        """Who it is, and the key of their session with WeChat.

        Raises:
            InvalidLoginCodeError: The code is unknown, expired or used.
            LoginBlockedError: WeChat holds the user for too risky.
            UnavailableError: WeChat does not answer, or refuses us.
        """
        try:
            async with asyncio.timeout(_WHOLE_TIMEOUT_S):
                answer = await asyncio.to_thread(self._client.session_of, code)
        except WeChatClientException as error:
            raise _translated(error.errcode) from None
        except (requests.RequestException, TimeoutError) as error:
            log.warning("wechat does not answer", error=type(error).__name__)
            raise _unavailable() from None
        openid, session_key = (_text(answer, name) for name in ("openid", "session_key"))
        if not openid:
            log.error("wechat answered a login without an openid")
            raise _unavailable()
        if not session_key:
            log.error("wechat answered a login without a session key: the user cannot pay virtually")
        return PlatformSession(openid, session_key)


class _MiniProgramClient(WeChatClient):  # type: ignore[misc]  # wechatpy publishes no types
    """wechatpy's client with the base URL in one place, and a login that fetches no access token."""

    def __init__(self, base_url: str, appid: str, secret: str) -> None:
        super().__init__(appid, secret, timeout=_TIMEOUT_S, auto_retry=False)
        self._base_url = base_url.rstrip("/")

    def session_of(self, code: str) -> Any:
        """WeChat's answer, as a dict unless it was no JSON."""
        return self.get(
            f"{self._base_url}/sns/jscode2session",
            params={
                "appid": self.appid,
                "secret": self.secret,
                "js_code": code,
                "grant_type": "authorization_code",
                # Said to be None, it is neither sent nor fetched.
                "access_token": None,
            },
        )


def _text(answer: object, name: str) -> str:
    value = answer.get(name) if isinstance(answer, dict) else None
    return value if isinstance(value, str) and len(value) <= _CHARACTERS_MAX else ""


def _translated(errcode: int | None) -> ServiceError:
    if errcode in (_INVALID_CODE, _CODE_USED):
        return InvalidLoginCodeError("The login code is not valid.", fields={"code": "is not valid"})
    if errcode == _CODE_BLOCKED:
        return LoginBlockedError("WeChat blocks this user.")
    # What is left is a failure of the platform or a mistake of ours, such as a wrong secret: not the user's fault.
    (log.warning if errcode in _TRANSIENT else log.error)("wechat refused a login", errcode=errcode)
    return _unavailable()


def _unavailable() -> UnavailableError:
    return UnavailableError(
        "WeChat does not answer; try again shortly.", metadata={"service": "wechat"}, retry_after_s=2
    )
