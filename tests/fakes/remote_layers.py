"""The remote layers' outside: scripted layers, and both platforms over their real wire, which misbehave as told."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from services.moderation.domain import Layer, Opinion, Subject
from services.moderation.layers.policy import WhenDown

Reply = Opinion | Exception | None


@dataclass
class ScriptedLayer:
    """The port `RemoteLayer`: says what it is told, after a while."""

    says: Reply = field(default_factory=lambda: Opinion(refused=False))
    after_s: float = 0.0
    asked: list[Subject] = field(default_factory=list)
    cancelled: int = 0
    running: int = 0
    running_max: int = 0

    async def judge(self, subject: Subject) -> Opinion | None:
        self.asked.append(subject)
        self.running += 1
        self.running_max = max(self.running_max, self.running)
        try:
            await asyncio.sleep(self.after_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@dataclass
class CountedConsequences:
    """What became of texts that were not judged."""

    counted: list[tuple[Layer, WhenDown]] = field(default_factory=list)

    def unjudged(self, layer: Layer, consequence: WhenDown) -> None:
        self.counted.append((layer, consequence))


def wechat_result(suggest: str, label: int, *, strategy: str = "content_model") -> dict[str, object]:
    """An answer of msg_sec_check, as WeChat's document shows it."""
    return {
        "errcode": 0,
        "errmsg": "ok",
        "trace_id": "62987eb8-18ca076c-37fc373b",
        "result": {"suggest": suggest, "label": label},
        "detail": [
            {"strategy": strategy, "errcode": 0, "suggest": suggest, "label": label, "prob": 90},
            {"strategy": "keyword", "errcode": 0},
        ],
    }


@dataclass
class WeChatPlatform:
    """WeChat's server: one mini-program, stable tokens, msg_sec_check.

    A text that contains `违规` is risky (20006), one that contains `存疑` is for review. `reply` overrides the answer
    to a check: a document, a text that is no JSON, or a status of HTTP.
    """

    url: str = ""
    token: str = "token-1"
    expires_in: object = 7200
    delay_s: float = 0.0
    token_delay_s: float = 0.0
    reply: dict[str, object] | str | int | None = None
    # Of one check, by its text; None for the usual answer.
    reply_to: Callable[[str], dict[str, object] | None] = lambda text: None
    token_reply: dict[str, object] | None = None
    token_refusal: int = 40001
    # Refused although the platform goes on handing them out.
    refused_tokens: set[str] = field(default_factory=set)
    fetched: Counter[str] = field(default_factory=Counter)
    checks: list[dict[str, object]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    running: int = 0
    running_max: int = 0

    async def stable_token(self, request: web.Request) -> web.Response:
        asked = await request.json()
        await asyncio.sleep(self.token_delay_s)
        self.fetched["forced" if asked["force_refresh"] else "ordinary"] += 1
        if self.token_reply is not None:
            return web.json_response(self.token_reply)
        if asked["force_refresh"]:
            self.token = f"forced-{self.fetched['forced']}"
        return web.json_response({"access_token": self.token, "expires_in": self.expires_in})

    async def check(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.running += 1
        self.running_max = max(self.running_max, self.running)
        try:
            await asyncio.sleep(self.delay_s)
        finally:
            self.running -= 1
        self.bodies.append(body)
        token = request.query.get("access_token")
        if token != self.token or token in self.refused_tokens:
            return web.json_response({"errcode": self.token_refusal, "errmsg": "invalid credential"})
        document = json.loads(body)
        self.checks.append(document)
        if isinstance(self.reply, int):
            return web.Response(status=self.reply)
        if isinstance(self.reply, str):
            return web.Response(text=self.reply)
        return web.json_response(self.reply or self.reply_to(document["content"]) or self._judged(document["content"]))

    def _judged(self, text: str) -> dict[str, object]:
        if "违规" in text:
            return wechat_result("risky", 20006)
        return wechat_result("review", 20008) if "存疑" in text else wechat_result("pass", 100)


@dataclass
class OpenAIPlatform:
    """OpenAI's server: a text that contains `violence` is flagged with 0.9, one with `doubt` scores 0.4."""

    url: str = ""
    delay_s: float = 0.0
    reply: dict[str, object] | str | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    # Connections that are closed unannounced before one is answered.
    dropped: int = 0
    asked: list[dict[str, object]] = field(default_factory=list)

    async def moderations(self, request: web.Request) -> web.Response:
        document = await request.json()
        if self.dropped:
            self.dropped -= 1
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        self.asked.append(document)
        await asyncio.sleep(self.delay_s)
        if isinstance(self.reply, str):
            return web.Response(text=self.reply, status=self.status, headers=self.headers)
        answer = self.reply or {
            "id": "modr-1",
            "model": document["model"],
            "results": list(map(_scored, document["input"])),
        }
        return web.json_response(answer, status=self.status, headers=self.headers)


def _scored(text: str) -> dict[str, object]:
    score = 0.9 if "violence" in text else 0.4 if "doubt" in text else 0.01
    return {
        "flagged": score > 0.5,
        "categories": {"violence": score > 0.5, "harassment": False, "illicit": None},
        "category_scores": {"violence": score, "harassment": 0.02, "illicit": None},
    }


@asynccontextmanager
async def wechat_platform() -> AsyncIterator[WeChatPlatform]:
    """WeChat's server on a free port of this machine."""
    platform = WeChatPlatform()
    app = web.Application()
    app.router.add_post("/cgi-bin/stable_token", platform.stable_token)
    app.router.add_post("/wxa/msg_sec_check", platform.check)
    async with _served(app) as platform.url:
        yield platform


@asynccontextmanager
async def openai_platform() -> AsyncIterator[OpenAIPlatform]:
    """OpenAI's server on a free port of this machine."""
    platform = OpenAIPlatform()
    app = web.Application()
    app.router.add_post("/v1/moderations", platform.moderations)
    async with _served(app) as url:
        platform.url = f"{url}/v1"
        yield platform


@asynccontextmanager
async def _served(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
