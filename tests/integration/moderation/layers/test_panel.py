"""Every policy and every fault of the platforms, over the wire and through all that stands between."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from services.moderation.config import ModerationSettings
from services.moderation.domain import Direction, Layer, Opinion, Subject
from services.moderation.errors import ModerationUnavailableError
from services.moderation.layers import app
from services.moderation.layers.panel import Panel
from services.moderation.layers.policy import OpenAIPolicy, Policy, WeChatPolicy, WhenDown
from tests.fakes.remote_layers import OpenAIPlatform, WeChatPlatform

pytestmark = pytest.mark.alone

BUDGET_S = 0.5

# OpenAI refuses it, and WeChat does not: whether it passes tells who was heard.
QUESTION = Subject(Direction.INPUT, "req_1", "usr_1", "一句 violence 话", openid="openid")

Build = Callable[[WhenDown], Panel]
Fault = Callable[[WeChatPlatform, Redis], Awaitable[None]]


async def _http_500(wechat: WeChatPlatform, redis: Redis) -> None:
    wechat.reply = 500


async def _garbage(wechat: WeChatPlatform, redis: Redis) -> None:
    wechat.reply = "<html>busy</html>"


async def _no_result(wechat: WeChatPlatform, redis: Redis) -> None:
    wechat.reply = {"errcode": 0, "errmsg": "ok"}


async def _system_busy(wechat: WeChatPlatform, redis: Redis) -> None:
    wechat.reply = {"errcode": -1, "errmsg": "system error"}


async def _slow(wechat: WeChatPlatform, redis: Redis) -> None:
    wechat.delay_s = 3.0


async def _slow_token(wechat: WeChatPlatform, redis: Redis) -> None:
    wechat.token_delay_s = 3.0


async def _no_token(wechat: WeChatPlatform, redis: Redis) -> None:
    wechat.token_reply = {"errcode": 40125, "errmsg": "invalid appsecret"}


async def _refused_token(wechat: WeChatPlatform, redis: Redis) -> None:
    wechat.refused_tokens.add(wechat.token)


async def _platforms_quota(wechat: WeChatPlatform, redis: Redis) -> None:
    wechat.reply = {"errcode": 45009, "errmsg": "reach max api daily quota limit"}


async def _our_quota(wechat: WeChatPlatform, redis: Redis) -> None:
    await redis.set("moderation:wechat:{wx1}:pause", b"1", px=60_000)


FAULTS = [
    _http_500,
    _garbage,
    _no_result,
    _system_busy,
    _slow,
    _slow_token,
    _no_token,
    _refused_token,
    _platforms_quota,
    _our_quota,
]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def build(
    redis: Redis, registry: CollectorRegistry, wechat: WeChatPlatform, openai_server: OpenAIPlatform
) -> AsyncIterator[Build]:
    """A panel as the service makes it."""
    settings = ModerationSettings.model_validate(
        {
            "port": 0,
            "database_url": "postgresql://unused",
            "redis_url": "redis://unused",
            "wechat_api_base_url": wechat.url,
            "wechat_appid": "wx1",
            "wechat_secret": "secret",
            "openai_moderation_base_url": openai_server.url,
            "openai_moderation_api_key": "sk-secret",
        }
    )
    async with AsyncExitStack() as stack:

        def panel(when_down: WhenDown) -> Panel:
            policy = Policy(
                wechat=WeChatPolicy(when_down=when_down, timeout_s=BUDGET_S), openai=OpenAIPolicy(timeout_s=BUDGET_S)
            )
            return app.panel(stack, settings, policy, redis, registry)

        yield panel


@pytest.mark.parametrize("when_down", list(WhenDown))
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__.removeprefix("_"))
async def test_whatever_is_wrong_with_wechat_the_policy_decides_within_the_budget(
    build: Build,
    registry: CollectorRegistry,
    wechat: WeChatPlatform,
    openai_server: OpenAIPlatform,
    redis: Redis,
    fault: Fault,
    when_down: WhenDown,
) -> None:
    panel = build(when_down)
    await fault(wechat, redis)
    begin = time.perf_counter()
    if when_down is WhenDown.CLOSED:
        with pytest.raises(ModerationUnavailableError):
            await panel.review(QUESTION, referred=False)
    else:
        refusal = await panel.review(QUESTION, referred=False)
        assert (refusal[0] if refusal else None) == (Layer.OPENAI if when_down is WhenDown.NEXT else None)
    # The budgets of the two that may be asked one after the other, and what a busy machine adds.
    assert time.perf_counter() - begin < 2 * BUDGET_S + 0.5
    assert len(openai_server.asked) == (when_down is WhenDown.NEXT)
    counted = {"layer": "wechat", "consequence": when_down.value}
    assert registry.get_sample_value("queqiao_moderation_layer_unjudged_total", counted) == 1


@pytest.mark.parametrize("when_down", list(WhenDown))
@pytest.mark.parametrize("errcode", [61010, 40003, 43104])
async def test_a_user_whom_wechat_cannot_judge_is_the_next_layers_under_every_policy(
    build: Build, wechat: WeChatPlatform, errcode: int, when_down: WhenDown
) -> None:
    wechat.reply = {"errcode": errcode, "errmsg": "no"}
    refusal = await build(when_down).review(QUESTION, referred=False)
    assert refusal is not None
    assert (refusal[0], refusal[1].rule) == (Layer.OPENAI, "violence")


@pytest.mark.parametrize("when_down", list(WhenDown))
async def test_a_token_that_ends_mid_flight_is_no_fault(
    build: Build, wechat: WeChatPlatform, openai_server: OpenAIPlatform, when_down: WhenDown
) -> None:
    panel = build(when_down)
    assert await panel.review(QUESTION, referred=False) is None
    wechat.token = "token-2"  # no password
    refusal = await panel.review(replace(QUESTION, text="一句违规的话"), referred=False)
    assert refusal == (Layer.WECHAT, Opinion(refused=True, label=20006, rule="content_model"))
    assert openai_server.asked == []


async def test_one_that_recovers_is_heard_again_and_its_silence_was_not_kept(
    build: Build, wechat: WeChatPlatform
) -> None:
    panel = build(WhenDown.OPEN)
    subject = replace(QUESTION, text="一句违规的话")
    wechat.reply = 500
    assert await panel.review(subject, referred=False) is None
    wechat.reply = None
    refusal = await panel.review(subject, referred=False)
    assert refusal is not None
    assert refusal[0] is Layer.WECHAT
    checks = len(wechat.checks)
    assert await panel.review(subject, referred=False) == refusal
    assert len(wechat.checks) == checks


async def test_many_who_meet_a_silent_platform_all_leave_in_time(build: Build, wechat: WeChatPlatform) -> None:
    panel = build(WhenDown.OPEN)
    wechat.delay_s = 10.0
    begin = time.perf_counter()
    subjects = [replace(QUESTION, text=f"第{number}句") for number in range(100)]
    assert await asyncio.gather(*(panel.review(subject, referred=False) for subject in subjects)) == [None] * 100
    # Far from what the platform takes, whatever else the machine does.
    assert time.perf_counter() - begin < BUDGET_S + 2.5
