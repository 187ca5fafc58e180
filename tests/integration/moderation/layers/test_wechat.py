"""WeChat's layer against its wire."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
import structlog.testing
from redis.asyncio import Redis

from services.moderation.domain import Direction, Opinion, Subject
from services.moderation.errors import LayerDownError
from services.moderation.layers.policy import WeChatPolicy
from services.moderation.layers.quota import Quota
from services.moderation.layers.tokens import AccessTokens
from services.moderation.layers.wechat import WeChatLayer
from services.moderation.layers.wechat_client import WeChatAccount, WeChatLine
from tests.fakes.remote_layers import WeChatPlatform, wechat_result

pytestmark = pytest.mark.alone

QUESTION = Subject(Direction.INPUT, "req_1", "usr_1", "你好，今天天气怎么样？", openid="o-1")
PASSED = Opinion(refused=False)

Build = Callable[[WeChatPolicy], WeChatLayer]


@pytest.fixture
async def build(redis: Redis, wechat: WeChatPlatform) -> AsyncIterator[Build]:
    """Builds layers of a policy."""
    account = WeChatAccount(wechat.url, "wx1", "the-secret-of-the-mini-program-1")
    opened = []

    def layer(policy: WeChatPolicy) -> WeChatLayer:
        line = WeChatLine(account, threads_max=policy.concurrent_max, timeout_s=policy.timeout_s)
        tokens = AccessTokens(redis, line, account)
        opened.append((tokens, line))
        quota = Quota(redis, "wx1", per_minute=policy.per_minute, per_day=policy.per_day, share_without_redis=0.1)
        return WeChatLayer(line, tokens, quota, policy)

    yield layer
    for tokens, line in opened:
        await tokens.aclose()
        line.close()


@pytest.fixture
def layer(build: Build) -> WeChatLayer:
    """The layer by the default policy."""
    return build(WeChatPolicy())


def text(content: str) -> Subject:
    return replace(QUESTION, text=content)


async def test_a_text_travels_as_the_document_asks(layer: WeChatLayer, wechat: WeChatPlatform) -> None:
    assert await layer.judge(QUESTION) == PASSED
    assert wechat.checks == [{"content": QUESTION.text, "version": 2, "scene": 2, "openid": "o-1"}]
    assert QUESTION.text.encode() in wechat.bodies[0]


async def test_a_risky_text_is_refused_by_its_label(layer: WeChatLayer) -> None:
    assert await layer.judge(text("违规的话")) == Opinion(refused=True, label=20006, rule="content_model")


@pytest.mark.parametrize(
    ("policy", "reply", "expected"),
    [
        (WeChatPolicy(), wechat_result("review", 20002), PASSED),
        (WeChatPolicy(review_refuses=True), wechat_result("review", 20002), Opinion(True, 20002, "content_model")),
        (WeChatPolicy(risky_labels=(20002,)), wechat_result("risky", 10001), PASSED),
        (WeChatPolicy(risky_labels=(20002,)), wechat_result("risky", 20002), Opinion(True, 20002, "content_model")),
        (WeChatPolicy(), wechat_result("risky", 12345), Opinion(True, 21000, "content_model")),
        (WeChatPolicy(), wechat_result("risky", 20002, strategy="keyword"), Opinion(True, 20002, "keyword")),
        (WeChatPolicy(), {"result": {"suggest": "risky", "label": 20001}}, Opinion(True, 20001, "risky")),
        (WeChatPolicy(), {"result": {"suggest": "risky"}, "detail": 3}, Opinion(True, 21000, "risky")),
        (WeChatPolicy(), {"errcode": 87014, "errmsg": "risky content"}, Opinion(True, 21000, "risky")),
        (WeChatPolicy(), {"errcode": 44002, "errmsg": "empty post data"}, PASSED),
    ],
)
async def test_what_wechat_says_is_decided_by_policy(
    build: Build, wechat: WeChatPlatform, policy: WeChatPolicy, reply: dict[str, object], expected: Opinion
) -> None:
    wechat.reply = reply
    assert await build(policy).judge(QUESTION) == expected


@pytest.mark.parametrize("errcode", [61010, 40003, 43104])
async def test_a_user_who_was_not_there_lately_cannot_be_judged(
    layer: WeChatLayer, wechat: WeChatPlatform, errcode: int
) -> None:
    wechat.reply = {"errcode": errcode, "errmsg": "code is expired"}
    assert await layer.judge(QUESTION) is None


async def test_a_user_who_is_not_from_wechat_is_not_asked_about(layer: WeChatLayer, wechat: WeChatPlatform) -> None:
    assert await layer.judge(replace(QUESTION, openid="")) is None
    assert wechat.fetched == {}


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ({"errcode": -1, "errmsg": "system error"}, "error"),
        ({"errcode": 40129, "errmsg": "invalid scene"}, "error"),
        ({"errcode": "garbage"}, "error"),
        ({"errcode": 47001, "errmsg": "data format error"}, "rejected"),
        ({"errcode": 45009, "errmsg": "reach max api daily quota limit"}, "quota"),
        ({"errcode": 45011, "errmsg": "api minute-quota reach limit"}, "quota"),
        ({"errcode": 0, "errmsg": "ok"}, "error"),
        ({"errcode": 0, "result": None}, "error"),
        ({"errcode": 0, "result": []}, "error"),
        ({"errcode": 0, "result": {"suggest": "fine", "label": 100}}, "error"),
        ({"errcode": 0, "result": {"label": 100}}, "error"),
        ({"base_resp": 3}, "error"),
        (500, "error"),
        (404, "error"),
        ("", "error"),
        ("<html>busy</html>", "error"),
        ("[]", "error"),
        ('{"errcode":0', "error"),
        ("[" * 100_000, "error"),
    ],
)
async def test_what_is_no_verdict_is_no_pass(
    layer: WeChatLayer, wechat: WeChatPlatform, reply: dict[str, object] | str | int, why: str
) -> None:
    wechat.reply = reply
    with pytest.raises(LayerDownError) as caught:
        await layer.judge(QUESTION)
    assert caught.value.why == why


async def test_a_server_that_is_silent_ends_in_time(build: Build, wechat: WeChatPlatform) -> None:
    wechat.delay_s = 5
    with pytest.raises(LayerDownError, match="timeout"):
        await build(WeChatPolicy(timeout_s=0.2)).judge(QUESTION)


async def test_a_server_that_is_away_is_an_error(redis: Redis) -> None:
    account = WeChatAccount("http://127.0.0.1:1", "wx1", "secret")
    line = WeChatLine(account, threads_max=2, timeout_s=1)
    quota = Quota(redis, "wx1", per_minute=100, per_day=100, share_without_redis=0.1)
    with pytest.raises(LayerDownError, match="error"):
        await WeChatLayer(line, AccessTokens(redis, line, account), quota, WeChatPolicy()).judge(QUESTION)
    line.close()


async def test_after_a_used_up_quota_wechat_is_left_alone(layer: WeChatLayer, wechat: WeChatPlatform) -> None:
    wechat.reply = {"errcode": 45009, "errmsg": "reach max api daily quota limit"}
    for _ in range(3):
        with pytest.raises(LayerDownError, match="quota"):
            await layer.judge(QUESTION)
    assert len(wechat.checks) == 1


async def test_fifty_judgements_at_once_fetch_one_token_over_two_replicas(build: Build, wechat: WeChatPlatform) -> None:
    wechat.token_delay_s = 0.1
    replicas = [build(WeChatPolicy()), build(WeChatPolicy())]
    said = await asyncio.gather(*(replicas[n % 2].judge(QUESTION) for n in range(50)))
    assert said == [PASSED] * 50
    assert wechat.fetched == {"ordinary": 1}


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_a_token_that_ends_mid_flight_is_renewed_once_for_everyone(
    build: Build, wechat: WeChatPlatform, errcode: int
) -> None:
    replicas = [build(WeChatPolicy()), build(WeChatPolicy())]
    for replica in replicas:
        assert await replica.judge(QUESTION) == PASSED
    wechat.token, wechat.delay_s = "token-2", 0.05
    wechat.token_refusal = errcode
    said = await asyncio.gather(*(replicas[n % 2].judge(text(f"违规 {n}")) for n in range(40)))
    assert all(opinion is not None and opinion.refused for opinion in said)
    assert wechat.fetched == {"ordinary": 2}


async def test_a_token_that_stays_refused_ends_after_one_more_try(layer: WeChatLayer, wechat: WeChatPlatform) -> None:
    wechat.refused_tokens = {"token-1", "forced-1"}
    with pytest.raises(LayerDownError, match="error"):
        await layer.judge(QUESTION)
    assert len(wechat.bodies) == 2


async def test_a_token_that_only_the_platforms_cache_believes_in_is_forced_away(
    layer: WeChatLayer, wechat: WeChatPlatform
) -> None:
    wechat.refused_tokens = {"token-1"}
    with pytest.raises(LayerDownError, match="error"):
        await layer.judge(QUESTION)
    assert await layer.judge(QUESTION) == PASSED
    assert wechat.fetched["forced"] == 1


class TestLongTexts:
    @pytest.mark.parametrize("offset", [0, 1, 2447, 2449, 2450, 2460, 2498, 2499, 2500, 4897, 4899, 4900, 6998])
    async def test_what_a_border_cuts_is_found(self, layer: WeChatLayer, wechat: WeChatPlatform, offset: int) -> None:
        content = "好" * offset + "违规" + "好" * (6998 - offset)
        opinion = await layer.judge(text(content))
        assert opinion is not None
        assert opinion.refused
        assert all(len(str(check["content"])) <= 2500 for check in wechat.checks)

    async def test_pieces_are_judged_side_by_side(self, layer: WeChatLayer, wechat: WeChatPlatform) -> None:
        await layer.judge(QUESTION)
        wechat.delay_s = 0.2
        begin = time.monotonic()
        assert await layer.judge(text("好" * 7000)) == PASSED
        assert time.monotonic() - begin < 0.5
        assert wechat.running_max == 3

    async def test_each_piece_counts_against_the_quota(self, build: Build) -> None:
        layer = build(WeChatPolicy(per_minute=40))
        assert await layer.judge(text("好" * 7000)) == PASSED
        with pytest.raises(LayerDownError, match="quota"):
            await layer.judge(text("好" * 7000))
        assert await layer.judge(QUESTION) == PASSED

    async def test_a_piece_that_is_refused_outweighs_one_that_fails(
        self, layer: WeChatLayer, wechat: WeChatPlatform
    ) -> None:
        wechat.reply_to = lambda content: {"errcode": -1} if "坏" in content else None
        opinion = await layer.judge(text("坏" + "好" * 5000 + "违规"))
        assert opinion is not None
        assert opinion.refused
        with pytest.raises(LayerDownError, match="error"):
            await layer.judge(text("坏" + "好" * 5000))

    async def test_what_is_too_long_is_not_judged_in_part(self, layer: WeChatLayer, wechat: WeChatPlatform) -> None:
        with pytest.raises(LayerDownError, match="too_long"):
            await layer.judge(text("好" * 20_000))
        assert wechat.checks == []


async def test_no_log_holds_a_text_a_token_or_a_user(layer: WeChatLayer, wechat: WeChatPlatform) -> None:
    with structlog.testing.capture_logs() as logs:
        for reply in ({"errcode": -1, "errmsg": QUESTION.text}, 500, "garbage", {"errcode": 0}):
            wechat.reply = reply  # type: ignore[assignment]  # each of these is one of its types
            with pytest.raises(LayerDownError):
                await layer.judge(QUESTION)
    assert len(logs) == 4
    assert not any(secret in str(logs) for secret in (QUESTION.text, "token-1", "o-1"))
