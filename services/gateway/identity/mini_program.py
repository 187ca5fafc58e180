"""wechatpy's client, as far as a login needs it."""

from typing import Any

from wechatpy.client import WeChatClient

# wechatpy sets no timeout by itself. Connecting, and then each silence within an answer.
_TIMEOUT_S = (2.0, 4.0)


class MiniProgramClient(WeChatClient):  # type: ignore[misc]  # wechatpy publishes no types
    """wechatpy's client with the base URL in one place, and a login that fetches no access token."""

    def __init__(self, base_url: str, appid: str, secret: str) -> None:
        """Speak for this mini-program."""
        super().__init__(appid, secret, timeout=_TIMEOUT_S, auto_retry=False)
        self._base_url = base_url.rstrip("/")

    def session_of(self, code: str) -> Any:
        """WeChat's answer, as a dict unless it was no JSON.

        Raises:
            WeChatClientException: WeChat refuses.
            RequestException: It does not answer.
        """
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
