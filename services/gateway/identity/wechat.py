"""WeChat's login, through wechatpy: a code of `wx.login` becomes an openid and a session key.

Source of the error codes: WeChat's document of auth.code2Session.
"""

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING, Any

import structlog

from services.gateway.errors import InvalidLoginCodeError, LoginBlockedError
from services.gateway.identity.domain import PlatformSession
from services.runtime.errors import ServiceError, UnavailableError

if TYPE_CHECKING:
    from services.gateway.identity.mini_program import MiniProgramClient

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
        self._account = (base_url, appid, secret)

    async def session(self, code: str) -> PlatformSession:
        """Who it is, and the key of their session with WeChat.

        Raises:
            InvalidLoginCodeError: The code is unknown, expired or used.
            LoginBlockedError: WeChat holds the user for too risky.
            UnavailableError: WeChat does not answer, or refuses us.
        """
        try:
            async with asyncio.timeout(_WHOLE_TIMEOUT_S):
                answer = await asyncio.to_thread(self._answer, code)
        except TimeoutError as error:
            raise _silent(error) from None
        openid, session_key = (_text(answer, name) for name in ("openid", "session_key"))
        if not openid:
            log.error("wechat answered a login without an openid")
            raise _unavailable()
        if not session_key:
            log.error("wechat answered a login without a session key: the user cannot pay virtually")
        return PlatformSession(openid, session_key)

    def _answer(self, code: str) -> Any:
        # Imported at the first login, on its thread: wechatpy and requests are an eighth of all that a gateway imports.
        import requests
        from wechatpy.exceptions import WeChatClientException

        try:
            return self._client.session_of(code)
        except WeChatClientException as error:
            raise _translated(error.errcode) from None
        except requests.RequestException as error:
            raise _silent(error) from None

    @cached_property
    def _client(self) -> "MiniProgramClient":
        from services.gateway.identity.mini_program import MiniProgramClient

        return MiniProgramClient(*self._account)


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


def _silent(error: Exception) -> UnavailableError:
    log.warning("wechat does not answer", error=type(error).__name__)
    return _unavailable()


def _unavailable() -> UnavailableError:
    return UnavailableError(
        "WeChat does not answer; try again shortly.", metadata={"service": "wechat"}, retry_after_s=2
    )
