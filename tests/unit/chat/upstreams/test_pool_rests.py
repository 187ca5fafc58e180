"""Who is left alone for a while: the busy, the failing, the refused, and who has spent a budget."""

import asyncio
from collections import Counter

import pytest
import structlog

from services.chat.domain import FinishReason, Options, Piece
from services.chat.errors import UpstreamBusyError, UpstreamError
from services.chat.upstreams.failures import refused
from services.chat.upstreams.settings import Role as ProviderRole
from tests.fakes.model_providers import Scene, ScriptedClient
from tests.unit.chat.upstreams.pools import (
    BROKEN,
    KEY_REFUSED,
    MODEL,
    PROMPT,
    SERVER,
    ask,
    busy,
    provider,
    two,
)


async def test_a_busy_key_rests_as_long_as_it_was_told_to() -> None:
    scene = Scene()
    pool, a, b = two(scene)
    a.fails = busy(7)
    await ask(pool)
    a.fails = None
    assert [await ask(pool) for _ in range(4)] == ["乙"] * 4
    scene.now_s += 7.1
    assert {await ask(pool) for _ in range(4)} == {"甲", "乙"}
    assert a.asked + b.asked == 10


async def test_a_busy_key_that_was_not_told_how_long_is_asked_last_for_a_moment() -> None:
    scene = Scene()
    pool, a, b = two(scene)
    last = ScriptedClient("丁")
    scene.add(provider("d", role=ProviderRole.FALLBACK), last)
    a.fails = refused(429, None, "", "m")
    await ask(pool)
    a.fails = None
    assert [await ask(pool) for _ in range(4)] == ["乙"] * 4
    b.fails = SERVER
    assert await ask(pool) == "甲"
    scene.now_s += 2.1
    b.fails = None
    assert {await ask(pool) for _ in range(4)} == {"甲", "乙"}


async def test_when_all_are_busy_the_shortest_wait_is_told_and_nobody_is_bothered_meanwhile() -> None:
    scene = Scene()
    pool, a, b = two(scene)
    a.fails, b.fails = busy(30), busy(12)
    for waited, left in ((0, 12), (5, 7)):
        scene.now_s += waited
        with pytest.raises(UpstreamBusyError) as caught:
            await ask(pool)
        assert caught.value.retry_after_s == left
    assert (a.asked, b.asked) == (1, 1)


async def test_a_provider_that_fails_in_a_row_is_left_alone_then_tried_by_a_single_question() -> None:
    scene = Scene(failures=3, open_s=10)
    pool, a, _ = two(scene)
    a.fails = SERVER
    for _ in range(20):
        assert await ask(pool) == "乙"
    assert a.asked == 3
    assert scene.count("breaker_open", provider="a", key="all") == 1
    scene.now_s += 10.1
    a.fails, a.after_s = None, 0.02
    texts = await asyncio.gather(*(ask(pool) for _ in range(6)))
    assert Counter(texts) == {"甲": 1, "乙": 5}
    a.after_s = 0
    assert {await ask(pool) for _ in range(4)} == {"甲", "乙"}
    assert scene.count("breaker_open", provider="a", key="all") == 0


async def test_answers_that_break_off_open_the_circuit_too_though_each_began() -> None:
    scene = Scene(failures=3)
    pool, a, _ = two(scene)
    a.breaks = BROKEN
    for _ in range(20):
        try:
            await ask(pool)
        except UpstreamError:
            continue
    assert a.asked == 3


async def test_everybody_left_alone_is_an_error_that_says_when_to_come_back() -> None:
    scene = Scene(failures=1, open_s=10)
    only = ScriptedClient()
    only.fails = SERVER
    scene.add(provider("a"), only)
    pool = scene.pool()
    with pytest.raises(UpstreamError):
        await ask(pool)
    scene.now_s += 4
    with pytest.raises(UpstreamError) as caught:
        await ask(pool)
    assert (caught.value.retry_after_s, only.asked) == (6, 1)


async def test_a_cancelled_question_teaches_nothing_and_closes_its_call() -> None:
    scene = Scene(failures=1)
    pool, a, _ = two(scene)
    a.after_s = 30
    asking = asyncio.create_task(ask(pool))
    while not a.asked:
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert (a.cancelled, a.closed) == (1, 1)
    assert scene.count("calls_total", provider="a", outcome="cancelled") == 1
    assert scene.count("breaker_open", provider="a", key="1") == 0


async def test_a_cancelled_probe_is_followed_by_another() -> None:
    scene = Scene(failures=1)
    only = ScriptedClient()
    only.fails = SERVER
    scene.add(provider("a"), only)
    pool = scene.pool()
    with pytest.raises(UpstreamError):
        await ask(pool)
    scene.now_s += 10.1
    only.fails, only.after_s = None, 30
    asking = asyncio.create_task(ask(pool))
    while only.asked < 2:
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    only.after_s = 0
    assert await ask(pool) == "好"


async def test_leaving_after_the_end_is_a_whole_answer_and_leaving_before_is_not() -> None:
    scene = Scene()
    only = ScriptedClient()
    scene.add(provider("a"), only)
    pool = scene.pool()
    async with pool.answer(MODEL, PROMPT, Options()) as chunks:
        async for chunk in chunks:
            if chunk.finish_reason is FinishReason.STOP:
                break
    async with pool.answer(MODEL, PROMPT, Options()) as chunks:
        assert (await anext(chunks)).pieces == (Piece("好"),)
    assert scene.count("calls_total", provider="a", outcome="completed") == 1
    assert scene.count("calls_total", provider="a", outcome="cancelled") == 1


async def test_a_refused_key_is_left_alone_and_told_by_its_position() -> None:
    scene = Scene(failures=5)
    first = ScriptedClient("甲一")
    first.fails = KEY_REFUSED
    scene.add(provider("a"), first, ScriptedClient("甲二"))
    pool = scene.pool()
    with structlog.testing.capture_logs() as logs:
        assert [await ask(pool) for _ in range(10)] == ["甲二"] * 10
    assert first.asked == 1
    assert {"event": "a provider refuses our key", "log_level": "error", "provider": "a", "key": "1 of 2"} in logs
    assert scene.count("breaker_open", provider="a", key="1") == 1
    assert scene.count("breaker_open", provider="a", key="all") == 0


async def test_a_key_over_its_budget_is_not_asked() -> None:
    scene = Scene()
    a, b = ScriptedClient("甲"), ScriptedClient("乙")
    scene.add(provider("a", requests=10, tokens=1000), a)
    scene.add(provider("b", tokens=1000), b)
    pool = scene.pool()
    await ask(pool)
    # Six tokens in a message of four more, an answer of at most 1,024 after three.
    assert scene.budgets.taken == [("a:1:requests", 1), ("a:1:tokens", 6 + 4 + 3 + 1024)]
    scene.budgets.waits_s = {"a:1:requests": 40.0}
    assert [await ask(pool) for _ in range(3)] == ["乙"] * 3
    scene.budgets.waits_s["b:1:tokens"] = 25.0
    scene.now_s += 2
    with pytest.raises(UpstreamBusyError) as caught:
        await ask(pool)
    assert caught.value.retry_after_s == 25.0
    assert a.asked == 1


async def test_a_probe_that_its_budget_forbids_leaves_the_probe_to_others() -> None:
    scene = Scene(failures=1)
    only = ScriptedClient()
    only.fails = SERVER
    scene.add(provider("a", requests=10), only)
    pool = scene.pool()
    with pytest.raises(UpstreamError):
        await ask(pool)
    scene.now_s += 10.1
    scene.budgets.waits_s = {"a:1:requests": 40.0}
    with pytest.raises(UpstreamBusyError):
        await ask(pool)
    scene.now_s += 2
    scene.budgets.waits_s, only.fails = {}, None
    assert await ask(pool) == "好"
