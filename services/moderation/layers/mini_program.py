"""wechatpy's client, as far as texts are checked."""

from collections.abc import Mapping
from typing import Any

from requests.adapters import HTTPAdapter
from wechatpy.client import WeChatClient

from services.moderation.layers.wechat_client import WeChatAccount

_CONNECT_TIMEOUT_S = 1.0


class MiniProgramClient(WeChatClient):  # type: ignore[misc]  # wechatpy publishes no types
    """wechatpy's client with the base URL in one place; tokens are given to it, and nothing is tried twice."""

    def __init__(self, account: WeChatAccount, *, threads_max: int, timeout_s: float) -> None:
        """Speak for this account, from so many threads at once."""
        timeout = (min(_CONNECT_TIMEOUT_S, timeout_s), timeout_s)
        super().__init__(account.appid, account.secret, timeout=timeout, auto_retry=False)
        self._base_url = account.base_url.rstrip("/")
        adapter = HTTPAdapter(pool_maxsize=threads_max)
        self._http.mount("http://", adapter)
        self._http.mount("https://", adapter)

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def stable_token(self, *, force: bool) -> Any:
        """Ask for an access token."""
        document = {
            "grant_type": "client_credential",
            "appid": self.appid,
            "secret": self.secret,
            "force_refresh": force,
        }
        # Said to be None, a token is neither sent nor fetched.
        return self.post(f"{self._base_url}/cgi-bin/stable_token", params={"access_token": None}, data=document)

    def check_text(self, token: str, document: Mapping[str, object]) -> Any:
        """Ask for a text to be checked; the token is "" where somebody on the way adds one."""
        return self.post(
            f"{self._base_url}/wxa/msg_sec_check", params={"access_token": token or None}, data=dict(document)
        )
