"""Who is asked, and who is asked instead."""

from collections import Counter

import pytest

from services.chat.domain import Model, Options
from services.chat.errors import ModelNotFoundError, UpstreamError, UpstreamTimeoutError
from services.chat.upstreams.failures import CallFailedError
from services.chat.upstreams.settings import Role as ProviderRole
from services.runtime.errors import InvalidRequestError
from tests.fakes.model_providers import Scene, ScriptedClient
from tests.unit.chat.upstreams.pools import (
    BROKEN,
    INVALID,
    KEY_REFUSED,
    MODEL,
    NO_MODEL,
    PROMPT,
    SERVER,
    SILENT,
    UNREACHABLE,
    ask,
    busy,
    chunks_of,
    provider,
    two,
)


async def test_providers_are_asked_by_weight_however_many_keys_each_has() -> None:
    scene = Scene()
    scene.add(provider("a", weight=3), *(ScriptedClient(name) for name in ("甲一", "甲二", "甲三")))
    scene.add(provider("b", weight=1), ScriptedClient("乙"))
    pool = scene.pool()
    counts = Counter([await ask(pool) for _ in range(40)])
    assert counts == {"甲一": 10, "甲二": 10, "甲三": 10, "乙": 10}


@pytest.mark.parametrize("failure", [UNREACHABLE, SILENT, BROKEN, SERVER, KEY_REFUSED, NO_MODEL, busy(3)])
async def test_before_the_first_piece_another_provider_is_asked_instead(failure: CallFailedError) -> None:
    scene = Scene()
    pool, a, b = two(scene)
    a.fails = failure
    assert await ask(pool) == "乙"
    assert (a.asked, a.closed, b.asked) == (1, 1, 1)
    assert scene.count("failovers_total", provider="a") == 1
    assert scene.count("calls_total", provider="a", outcome=failure.kind) == 1
    assert scene.count("calls_total", provider="b", outcome="completed") == 1


async def test_after_the_first_piece_nobody_else_is_asked() -> None:
    pool, a, b = two(Scene())
    a.breaks = BROKEN
    text = ""
    with pytest.raises(UpstreamError):
        async with pool.answer(MODEL, PROMPT, Options()) as chunks:
            async for chunk in chunks:
                text += "".join(piece.text for piece in chunk.pieces)
    assert (text, b.asked, a.closed) == ("甲", 0, 1)


async def test_what_the_question_is_to_blame_for_is_asked_nobody_else() -> None:
    scene = Scene(failures=1)
    pool, a, b = two(scene)
    a.fails = INVALID
    with pytest.raises(InvalidRequestError):
        await ask(pool)
    assert (a.asked, b.asked) == (1, 0)
    assert scene.count("breaker_open", provider="a", key="1") == 0


@pytest.mark.parametrize(
    ("failure", "then"), [(busy(9), "甲二"), (KEY_REFUSED, "甲二"), (SERVER, "乙"), (SILENT, "乙")]
)
async def test_another_key_helps_against_limits_and_another_provider_against_faults(
    failure: CallFailedError, then: str
) -> None:
    scene = Scene()
    first = ScriptedClient("甲一")
    first.fails = failure
    scene.add(provider("a", weight=10), first, ScriptedClient("甲二"))
    scene.add(provider("b"), ScriptedClient("乙"))
    assert (await ask(scene.pool()), first.asked) == (then, 1)


async def test_that_one_does_not_run_the_model_hides_no_outage_of_another() -> None:
    for first, second in ((SERVER, NO_MODEL), (NO_MODEL, SERVER)):
        scene = Scene()
        pool, a, b = two(scene)
        a.fails, b.fails = first, second
        with pytest.raises(UpstreamError):
            await ask(pool)


async def test_every_key_is_tried_before_a_fallback_and_a_fallback_before_giving_up() -> None:
    scene = Scene()
    clients = [ScriptedClient(name) for name in ("甲一", "甲二", "乙")]
    last = ScriptedClient("丁")
    scene.add(provider("d", role=ProviderRole.FALLBACK, weight=100), last)
    scene.add(provider("a"), *clients[:2])
    scene.add(provider("b"), clients[2])
    pool = scene.pool()
    assert [await ask(pool) for _ in range(4)].count("丁") == 0
    for client in clients:
        client.fails = SERVER
    assert await ask(pool) == "丁"
    last.fails = SILENT
    with pytest.raises(UpstreamTimeoutError):
        await ask(pool)


async def test_the_only_key_is_asked_once_more_when_it_cannot_be_reached_and_only_then() -> None:
    for failure, times in ((UNREACHABLE, 2), (SERVER, 1), (SILENT, 1)):
        scene = Scene()
        only = ScriptedClient()
        only.fails = failure
        scene.add(provider("a"), only)
        with pytest.raises(UpstreamError if failure is not SILENT else UpstreamTimeoutError):
            await ask(scene.pool())
        assert only.asked == times


async def test_a_model_that_nobody_runs_is_not_found() -> None:
    pool, _, _ = two(Scene())
    with pytest.raises(ModelNotFoundError):
        await chunks_of(pool, Model("other", 1000, 100, "o200k_base"))
