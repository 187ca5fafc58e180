"""What guards a remote layer: nobody waits longer than its budget, and one that is down is left alone."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from services.moderation.domain import Direction, Layer, Opinion, Subject
from services.moderation.errors import LayerDownError
from services.moderation.layers.cache import VerdictCache
from services.moderation.layers.guarded import GuardedLayer
from services.moderation.layers.metrics import LayerMetrics
from services.moderation.layers.policy import WeChatPolicy
from tests.fakes.remote_layers import ScriptedLayer

pytestmark = pytest.mark.alone

REFUSED = Opinion(refused=True, label=20006, rule="said so")

Guard = Callable[..., GuardedLayer]


def question(text: str = "一句话") -> Subject:
    return Subject(Direction.INPUT, "req_1", "usr_1", text, openid="openid")


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def guard(redis: Redis, registry: CollectorRegistry) -> AsyncIterator[Guard]:
    caches = []

    def build(remote: ScriptedLayer, **policy: float) -> GuardedLayer:
        cache = VerdictCache(redis, Layer.WECHAT, settings_version="v", ttl_s=60)
        caches.append(cache)
        settings = WeChatPolicy(**policy)  # type: ignore[arg-type]  # numbers of either kind
        return GuardedLayer(Layer.WECHAT, remote, settings, cache=cache, metrics=LayerMetrics(registry))

    yield build
    for cache in caches:
        await cache.aclose()


async def why(layer: GuardedLayer, text: str = "一句话") -> str:
    with pytest.raises(LayerDownError) as caught:
        await layer.judge(question(text))
    return caught.value.why


async def test_a_known_verdict_is_not_asked_for_again_however_the_text_is_written(guard: Guard) -> None:
    remote = ScriptedLayer(REFUSED)
    layer = guard(remote)
    for text in ("ＡＢＣ", "ABC", " ABC\n"):
        assert await layer.judge(question(text)) == REFUSED
    assert [subject.text for subject in remote.asked] == ["ABC"]


async def test_a_failure_is_never_a_known_verdict(guard: Guard) -> None:
    remote = ScriptedLayer(LayerDownError("error"))
    layer = guard(remote)
    assert await why(layer) == "error"
    remote.says = None
    assert await layer.judge(question()) is None
    remote.says = REFUSED
    assert await layer.judge(question()) == REFUSED
    assert len(remote.asked) == 3


async def test_nobody_waits_longer_than_the_budget_whatever_is_slow(guard: Guard) -> None:
    layer = guard(ScriptedLayer(after_s=30.0), timeout_s=0.1, concurrent_max=2)
    begin = time.perf_counter()
    reasons = Counter(await asyncio.gather(*(why(layer, f"第{number}句") for number in range(6))))
    assert time.perf_counter() - begin < 0.4
    # Whoever Redis answers first is asked: two. Two wait for them until their time is over, as one or the other is
    # noticed first, and nobody else even begins.
    assert reasons["timeout"] >= 2
    assert reasons["busy"] >= 2
    assert reasons.total() == reasons["timeout"] + reasons["busy"]


async def test_no_more_are_asked_at_once_than_allowed(guard: Guard) -> None:
    remote = ScriptedLayer(after_s=0.05)
    layer = guard(remote, concurrent_max=2, timeout_s=5.0)
    opinions = await asyncio.gather(*(layer.judge(question(f"第{number}句")) for number in range(4)))
    assert [opinion.refused for opinion in opinions if opinion] == [False] * 4
    assert (len(remote.asked), remote.running_max) == (4, 2)


async def test_one_that_is_down_is_left_alone_and_tried_by_a_single_text_later(
    guard: Guard, registry: CollectorRegistry
) -> None:
    remote = ScriptedLayer(LayerDownError("error"))
    layer = guard(remote, breaker_failures=3, breaker_open_s=0.1)
    for number in range(3):
        assert await why(layer, f"第{number}句") == "error"
    assert await why(layer) == "open"
    assert len(remote.asked) == 3
    await asyncio.sleep(0.12)
    remote.says = REFUSED
    assert await layer.judge(question()) == REFUSED
    assert await layer.judge(question("别的话")) == REFUSED
    down = {"layer": "wechat", "why": "open"}
    assert registry.get_sample_value("queqiao_moderation_layer_down_total", down) == 1


@pytest.mark.parametrize("reason", ["quota", "busy", "too_long", "rejected"])
async def test_what_is_no_fault_of_the_layers_does_not_make_it_be_left_alone(guard: Guard, reason: str) -> None:
    remote = ScriptedLayer(LayerDownError(reason))
    layer = guard(remote, breaker_failures=2)
    assert [await why(layer, f"第{number}句") for number in range(4)] == [reason] * 4


async def test_whatever_breaks_inside_is_a_layer_that_is_down(guard: Guard) -> None:
    assert await why(guard(ScriptedLayer(RuntimeError("a bug")))) == "error"


async def test_an_asker_who_leaves_cancels_the_question(guard: Guard) -> None:
    remote = ScriptedLayer(after_s=30.0)
    asking = asyncio.create_task(guard(remote).judge(question()))
    while not remote.asked:
        await asyncio.sleep(0.001)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert remote.cancelled == 1


async def test_a_text_of_which_nothing_is_left_needs_nobody(guard: Guard) -> None:
    remote = ScriptedLayer(REFUSED)
    opinion = await guard(remote).judge(question(" \n"))
    assert (opinion, remote.asked) == (Opinion(refused=False), [])
