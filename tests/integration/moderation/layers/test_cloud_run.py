"""WeChat's layer on WeChat Cloud Run: judged without a token, and without a secret to get one by."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from sandbox.wechat.app import build
from services.gateway.edge.server import HttpServer
from services.moderation.config import ModerationSettings
from services.moderation.domain import Direction, Opinion, Subject
from services.moderation.errors import LayerDownError
from services.moderation.layers.app import _wechat
from services.moderation.layers.policy import WeChatPolicy
from services.moderation.ports import RemoteLayer

OPENID = "o" + "x" * 27


def subject(text: str) -> Subject:
    return Subject(Direction.INPUT, "req_1", "usr_1", text, openid=OPENID)


def settings(url: str, *, cloud_run: bool) -> ModerationSettings:
    return ModerationSettings(
        port=0,
        database_url=SecretStr("postgresql://nowhere"),
        redis_url=SecretStr("redis://nowhere"),
        wechat_api_base_url=url,
        wechat_appid="wx1",
        wechat_cloud_run=cloud_run,
        audit_secret=SecretStr("a secret of at least thirty-two characters"),
    )


@asynccontextmanager
async def layer(redis: Redis, *, on_platform: bool) -> AsyncIterator[RemoteLayer]:
    """The layer, before a stand-in that is the platform or is not."""
    stand_in = build("wx1", "secret", security_delay_s=0, cloud_run=on_platform)
    server = HttpServer(stand_in, host="127.0.0.1", port=0, drain_s=0, notice_s=0, on_drain=lambda: None)
    await server.start()
    try:
        async with AsyncExitStack() as stack:
            url = f"http://127.0.0.1:{server.port}"
            yield _wechat(stack, settings(url, cloud_run=True), WeChatPolicy(), redis)
    finally:
        await server.close()


async def test_texts_are_judged_without_a_token(redis: Redis) -> None:
    async with layer(redis, on_platform=True) as judge:
        assert await judge.judge(subject("今天天气怎么样？")) == Opinion(refused=False)
        found = await judge.judge(subject("微信违规示例"))
        assert found is not None
        assert (found.refused, found.label) == (True, 20001)


async def test_elsewhere_nobody_judges_without_one(redis: Redis) -> None:
    async with layer(redis, on_platform=False) as judge:
        with pytest.raises(LayerDownError):
            await judge.judge(subject("今天天气怎么样？"))


def test_elsewhere_a_secret_is_asked_for() -> None:
    with pytest.raises(ValueError, match="WECHAT_APPID needs it"):
        settings("http://127.0.0.1:1", cloud_run=False)
