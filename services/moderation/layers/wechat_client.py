"""The line to WeChat: wechatpy's client, which is synchronous, in threads of its own.

Sources: WeChat's documents of getStableAccessToken and msgSecCheck. The access token travels in the query and is never
logged, nor is any text.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import requests
import structlog
from requests.adapters import HTTPAdapter
from wechatpy.client import WeChatClient
from wechatpy.exceptions import WeChatClientException

from services.moderation.errors import LayerDownError

_CONNECT_TIMEOUT_S = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WeChatAccount:
    """A mini-program; `base_url` is `https://api.weixin.qq.com`."""

    base_url: str
    appid: str
    secret: str = field(repr=False)


class WeChatError(Exception):
    """WeChat says no; `errcode` is its number for why."""

    def __init__(self, errcode: int) -> None:
        """Keep the number; WeChat's message may repeat what was sent."""
        super().__init__(f"errcode {errcode}")
        self.errcode = errcode


class WeChatLine:
    """Asks WeChat for one mini-program."""

    def __init__(self, account: WeChatAccount, *, threads_max: int, timeout_s: float) -> None:
        """Ask at most `threads_max` things at once, and wait at most `timeout_s` for each silence of an answer."""
        self._client = _MiniProgramClient(account, threads_max=threads_max, timeout_s=timeout_s)
        self._threads = ThreadPoolExecutor(threads_max, thread_name_prefix="wechat")

    def close(self) -> None:
        """Ask nothing more; threads that still wait for an answer end with it."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def stable_token(self, *, force: bool) -> Mapping[str, object]:
        """The answer to a request for an access token.

        Raises:
            WeChatError: WeChat says no.
            LayerDownError: WeChat does not answer, or nothing that can be understood.
        """
        return await self._ask(lambda: self._client.stable_token(force=force))

    async def check_text(self, token: str, document: Mapping[str, object]) -> Mapping[str, object]:
        """The answer to a text to check; the token is "" where somebody on the way adds one.

        Raises:
            WeChatError: As `stable_token`.
            LayerDownError: As `stable_token`.
        """
        return await self._ask(lambda: self._client.check_text(token, document))

    async def _ask(self, call: Callable[[], Any]) -> Mapping[str, object]:
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except WeChatClientException as error:
            # A failure of HTTP has no number.
            if error.errcode is not None:
                raise WeChatError(error.errcode) from None
            log.warning("wechat fails", status=getattr(error.response, "status_code", None))
            raise LayerDownError("error") from None
        except requests.Timeout:
            raise LayerDownError("timeout") from None
        except (requests.RequestException, ValueError, TypeError, RecursionError) as error:
            log.warning("wechat does not answer", error=type(error).__name__)
            raise LayerDownError("error") from None
        if not isinstance(answer, dict):
            log.warning("wechat's answer cannot be understood")
            raise LayerDownError("error")
        return answer


class _MiniProgramClient(WeChatClient):  # type: ignore[misc]  # wechatpy publishes no types
    """wechatpy's client with the base URL in one place; tokens are given to it, and nothing is tried twice."""

    def __init__(self, account: WeChatAccount, *, threads_max: int, timeout_s: float) -> None:
        timeout = (min(_CONNECT_TIMEOUT_S, timeout_s), timeout_s)
        super().__init__(account.appid, account.secret, timeout=timeout, auto_retry=False)
        self._base_url = account.base_url.rstrip("/")
        adapter = HTTPAdapter(pool_maxsize=threads_max)
        self._http.mount("http://", adapter)
        self._http.mount("https://", adapter)

    def close(self) -> None:
        self._http.close()

    def stable_token(self, *, force: bool) -> Any:
        document = {
            "grant_type": "client_credential",
            "appid": self.appid,
            "secret": self.secret,
            "force_refresh": force,
        }
        # Said to be None, a token is neither sent nor fetched.
        return self.post(f"{self._base_url}/cgi-bin/stable_token", params={"access_token": None}, data=document)

    def check_text(self, token: str, document: Mapping[str, object]) -> Any:
        return self.post(
            f"{self._base_url}/wxa/msg_sec_check", params={"access_token": token or None}, data=dict(document)
        )
