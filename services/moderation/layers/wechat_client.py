"""The line to WeChat: wechatpy's client, which is synchronous, in threads of its own and imported with the first call.

Sources: WeChat's documents of getStableAccessToken and msgSecCheck. The access token travels in the query and is never
logged, nor is any text.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import structlog

from services.moderation.errors import LayerDownError

if TYPE_CHECKING:
    from services.moderation.layers.mini_program import MiniProgramClient

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
        self._account = account
        self._threads_max = threads_max
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(threads_max, thread_name_prefix="wechat")

    def close(self) -> None:
        """Ask nothing more; threads that still wait for an answer end with it."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if "_client" in self.__dict__:
            self._client.close()

    async def stable_token(self, *, force: bool) -> Mapping[str, object]:
        """The answer to a request for an access token.

        Raises:
            WeChatError: WeChat says no.
            LayerDownError: WeChat does not answer, or nothing that can be understood.
        """
        return await self._ask(lambda client: client.stable_token(force=force))

    async def check_text(self, token: str, document: Mapping[str, object]) -> Mapping[str, object]:
        """The answer to a text to check; the token is "" where somebody on the way adds one.

        Raises:
            WeChatError: As `stable_token`.
            LayerDownError: As `stable_token`.
        """
        return await self._ask(lambda client: client.check_text(token, document))

    async def _ask(self, call: "Callable[[MiniProgramClient], Any]") -> Mapping[str, object]:
        answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, call)
        if not isinstance(answer, dict):
            log.warning("wechat's answer cannot be understood")
            raise LayerDownError("error")
        return answer

    def _answer(self, call: "Callable[[MiniProgramClient], Any]") -> Any:
        # Imported on a thread of the line: an eighth of all that a moderation service would import at its start.
        import requests
        from wechatpy.exceptions import WeChatClientException

        try:
            return call(self._client)
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

    @cached_property
    def _client(self) -> "MiniProgramClient":
        from services.moderation.layers.mini_program import MiniProgramClient

        return MiniProgramClient(self._account, threads_max=self._threads_max, timeout_s=self._timeout_s)
