"""Content security as `api.weixin.qq.com` answers it: msgSecCheck, version 2, and the frozen version 1.

Sources: the official document of security.msgSecCheck; error 61010 and the test string of version 1 are as developers
report them. What the platform really judges by is not known: here are a few harmless words of our own.
"""

import json
import secrets
import time
from collections import deque
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.conduct import Conduct
from sandbox.wechat.login import Platform, refuse

# Word → suggestion and label. Nothing else is judged.
WORDS = {
    "微信违规示例": ("risky", 20001),
    "微信广告示例": ("risky", 10001),
    "微信色情示例": ("risky", 20002),
    "微信违法示例": ("risky", 20006),
    "微信存疑示例": ("review", 20012),
}

# Version 1 refuses it, version 2 does not.
V1_TEST = "特3456书yuuo莞6543李zxcz蒜7782法fgnv级"

_CHARACTERS_MAX = 2500
_OPENID_CHARACTERS = 28
_WINDOW_S = 60.0


class ContentSecurity:
    """Judges texts of one mini-program's users."""

    def __init__(
        self, platform: Platform, *, per_minute: int = 4000, delay_s: float = 0.1, cloud_run: bool = False
    ) -> None:
        """Judge at most so many a minute, each after `delay_s`, as the platform needs a few tenths of a second.

        With `cloud_run` callers are containers of WeChat Cloud Run, which need no access token.
        """
        self._platform = platform
        self._cloud_run = cloud_run
        self._per_minute = per_minute
        self._times: deque[float] = deque()
        self.conduct = Conduct(
            {
                "error": _always(-1, "system error"),
                "quota": _always(45009, "reach max api daily quota limit"),
                "expired_visit": _always(61010, "code is expired"),
                "token_expired": _always(42001, "access_token expired"),
                "no_result": _no_result,
            },
            delay_s=delay_s,
        )

    def routes(self) -> list[Route]:
        """Where it is."""
        methods = ["GET", "POST"]
        return [
            Route("/wxa/msg_sec_check", self._asked, methods=methods),
            self.conduct.route("/sandbox/security"),
        ]

    async def _asked(self, request: Request) -> Response:
        return await self.conduct.answer(request, self._judge)

    async def _judge(self, request: Request) -> Response:
        if request.method != "POST":
            return refuse(43302, "require POST method")
        token = request.query_params.get("access_token")
        authorised = token is None and self._cloud_run
        if not authorised and (complaint := self._platform.complaint_about_token(token)) is not None:
            return complaint
        try:
            body = json.loads(await request.body())
        except ValueError:
            body = None
        if not isinstance(body, dict) or "access_token" in body or not isinstance(body.get("content", ""), str):
            return refuse(47001, "data format error")
        content = body.get("content", "")
        if not content:
            return refuse(44002, "empty post data")
        if self._is_over_quota():
            return refuse(45009, "reach max api minute quota limit")
        self.conduct.asked.text_characters.append(len(content))
        return self._v1(content) if "version" not in body else self._v2(body, content)

    def _v1(self, content: str) -> Response:
        risky = V1_TEST in content or any(word in content for word in WORDS)
        return refuse(87014, "risky content") if risky else JSONResponse({"errcode": 0, "errmsg": "ok"})

    def _v2(self, body: dict[str, Any], content: str) -> Response:
        openid = body.get("openid")
        if body["version"] != 2 or len(content) > _CHARACTERS_MAX:
            return refuse(47001, "data format error")
        if body.get("scene") not in (1, 2, 3, 4):
            return refuse(40129, "invalid scene")
        if not isinstance(openid, str) or len(openid) != _OPENID_CHARACTERS:
            return refuse(40003, "invalid openid")
        hit = next((word for word in WORDS if word in content), None)
        suggest, label = WORDS[hit] if hit is not None else ("pass", 100)
        model = {"strategy": "content_model", "errcode": 0, "suggest": suggest, "label": label, "prob": 90}
        keyword: dict[str, object] = {"strategy": "keyword", "errcode": 0}
        if hit is not None:
            keyword |= {"suggest": suggest, "label": label, "level": 90, "keyword": hit}
        return _answer({"result": {"suggest": suggest, "label": label}, "detail": [model, keyword]})

    def _is_over_quota(self) -> bool:
        now = time.monotonic()
        while self._times and self._times[0] <= now - _WINDOW_S:
            self._times.popleft()
        if len(self._times) >= self._per_minute:
            return True
        self._times.append(now)
        return False


def _answer(more: dict[str, object]) -> JSONResponse:
    trace = "-".join(secrets.token_hex(4) for _ in range(3))
    return JSONResponse({"errcode": 0, "errmsg": "ok", "trace_id": trace} | more)


def _always(errcode: int, errmsg: str) -> Any:
    async def refused(request: Request) -> Response:
        return refuse(errcode, errmsg)

    return refused


async def _no_result(request: Request) -> Response:
    return _answer({})
