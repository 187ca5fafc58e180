"""Who is asked, and who is asked instead."""

import asyncio
from collections import Counter

import pytest
import structlog

from services.chat.domain import Chunk, FinishReason, Message, Model, Options, Piece, Role
from services.chat.errors import ModelNotFoundError, UpstreamBusyError, UpstreamError, UpstreamTimeoutError
from services.chat.upstreams.failures import CallFailedError, Kind, broken_off, refused
from services.chat.upstreams.pool import Pool
from services.chat.upstreams.settings import HedgingSettings, ProviderSettings
from services.chat.upstreams.settings import Role as ProviderRole
from services.runtime.errors import InvalidRequestError
from tests.fakes.model_providers import Scene, ScriptedClient

MODEL = Model("m", 8192, 1024, "o200k_base")
PROMPT = [Message(Role.USER, "你好", tokens=6)]

UNREACHABLE = broken_off(Kind.CONNECTION)
SILENT = broken_off(Kind.TIMEOUT)
BROKEN = broken_off(Kind.BROKEN)
SERVER = refused(500, None, "", "m")
KEY_REFUSED = refused(401, None, "", "m")
NO_MODEL = refused(404, None, "", "m")
INVALID = refused(400, None, "", "m")


def busy(seconds: int) -> CallFailedError:
    return refused(429, None, str(seconds), "m")


def provider(
    name: str,
    *,
    weight: int = 1,
    role: ProviderRole = ProviderRole.MAIN,
    requests: int | None = None,
    tokens: int | None = None,
) -> ProviderSettings:
    return ProviderSettings(
        name,
        "http://provider.invalid/v1",
        (),
        weight=weight,
        role=role,
        models={"m": "m"},
        requests_per_minute=requests,
        tokens_per_minute=tokens,
    )


def two(scene: Scene) -> tuple[Pool, ScriptedClient, ScriptedClient]:
    """Two providers with a key each, of which the first is asked first."""
    a, b = ScriptedClient("甲"), ScriptedClient("乙")
    scene.add(provider("a"), a)
    scene.add(provider("b"), b)
    return scene.pool(), a, b


async def chunks_of(pool: Pool, model: Model = MODEL) -> list[Chunk]:
    async with pool.answer(model, PROMPT, Options()) as chunks:
        return [chunk async for chunk in chunks]


async def ask(pool: Pool) -> str:
    return "".join(piece.text for chunk in await chunks_of(pool) for piece in chunk.pieces)


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


async def test_a_model_that_nobody_runs_is_not_found() -> None:
    pool, _, _ = two(Scene())
    with pytest.raises(ModelNotFoundError):
        await chunks_of(pool, Model("other", 1000, 100, "o200k_base"))


class TestHedging:
    """Asking a second provider when the first is late."""

    @pytest.fixture
    def scene(self) -> Scene:
        scene = Scene(hedging=HedgingSettings(enabled=True, min_samples=5, share_percent_max=100))
        for _ in range(20):
            scene.hedging.took("a", "m", 0.02)
        return scene

    async def test_the_second_wins_when_the_first_is_late_and_the_loser_is_cancelled(self, scene: Scene) -> None:
        pool, a, b = two(scene)
        a.after_s = 30
        chunks = await chunks_of(pool)
        assert chunks[0] == Chunk((Piece("乙"),), lost_calls=1)
        assert [chunk.lost_calls for chunk in chunks[1:]] == [0]
        assert (a.cancelled, a.closed, b.closed) == (1, 1, 1)
        assert scene.count("hedges_total", provider="a") == 1
        assert scene.count("calls_total", provider="a", outcome="outrun") == 1

    async def test_the_first_wins_when_it_is_faster_after_all(self, scene: Scene) -> None:
        pool, a, b = two(scene)
        a.after_s, b.after_s = 0.05, 30
        assert (await chunks_of(pool))[0] == Chunk((Piece("甲"),), lost_calls=1)
        assert (b.cancelled, b.closed) == (1, 1)

    async def test_nobody_is_asked_twice_in_time(self, scene: Scene) -> None:
        pool, _, b = two(scene)
        assert (await chunks_of(pool))[0] == Chunk((Piece("甲"),))
        assert b.asked == 0

    async def test_a_second_that_fails_is_no_loss_and_the_first_is_waited_for(self, scene: Scene) -> None:
        pool, a, b = two(scene)
        a.after_s, b.fails = 0.05, SERVER
        assert (await chunks_of(pool))[0] == Chunk((Piece("甲"),))
        assert b.asked == 1

    async def test_a_first_that_fails_leaves_the_second_without_a_loss(self, scene: Scene) -> None:
        pool, a, b = two(scene)
        a.after_s, a.fails, b.after_s = 0.04, SERVER, 0.05
        assert (await chunks_of(pool))[0] == Chunk((Piece("乙"),))

    async def test_when_both_fail_a_third_is_asked(self, scene: Scene) -> None:
        pool, a, b = two(scene)
        c = ScriptedClient("丙")
        scene.add(provider("c"), c)
        a.after_s, a.fails, b.fails = 0.04, SERVER, SERVER
        pool = scene.pool()
        texts = [piece.text for chunk in await chunks_of(pool) for piece in chunk.pieces]
        assert (texts, a.asked, b.asked) == (["丙"], 1, 1)

    async def test_a_fallback_is_no_second(self, scene: Scene) -> None:
        a, last = ScriptedClient("甲"), ScriptedClient("丁")
        scene.add(provider("a"), a)
        scene.add(provider("d", role=ProviderRole.FALLBACK), last)
        a.after_s = 0.05
        assert (await chunks_of(scene.pool()))[0] == Chunk((Piece("甲"),))
        assert last.asked == 0

    async def test_cancelling_the_question_cancels_both(self, scene: Scene) -> None:
        pool, a, b = two(scene)
        a.after_s = b.after_s = 30
        asking = asyncio.create_task(chunks_of(pool))
        while not b.asked:
            await asyncio.sleep(0.005)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert [(client.cancelled, client.closed) for client in (a, b)] == [(1, 1), (1, 1)]
        assert scene.count("calls_total", provider="a", outcome="cancelled") == 1

    async def test_the_share_of_questions_that_are_asked_twice_is_bounded(self) -> None:
        scene = Scene(hedging=HedgingSettings(enabled=True, min_samples=5, share_percent_max=10))
        for _ in range(200):
            scene.hedging.took("a", "m", 0.0)
        a, b = ScriptedClient("甲"), ScriptedClient("乙")
        scene.add(provider("a"), a)
        scene.add(provider("b", role=ProviderRole.MAIN), b)
        a.after_s = 0.002
        pool = scene.pool()
        for _ in range(100):
            await ask(pool)
        assert scene.count("hedges_total", provider="a") <= 10


async def test_one_provider_that_is_down_does_not_hide_the_others_models() -> None:
    scene = Scene()
    clients = [ScriptedClient() for _ in range(3)]
    for name, client, model in zip("abc", clients, ("x", "y", "z"), strict=True):
        client.models = (model,)
        role = ProviderRole.FALLBACK if name == "c" else ProviderRole.MAIN
        scene.add(ProviderSettings(name, "http://provider.invalid/v1", (), role=role), client)
    pool = scene.pool()
    clients[0].listing_fails = UNREACHABLE
    listed = [([model.id for model in each.models], each.last) for each in await pool.list_models()]
    assert listed == [(["y"], False), (["z"], True)]
    clients[0].listing_fails = None
    await pool.list_models()
    clients[0].listing_fails = UNREACHABLE
    assert [model.id for each in await pool.list_models() for model in each.models] == ["x", "y", "z"]


async def test_without_any_list_the_error_is_told() -> None:
    scene = Scene()
    client = ScriptedClient()
    client.listing_fails = UNREACHABLE
    scene.add(ProviderSettings("a", "http://provider.invalid/v1", ()), client)
    with pytest.raises(UpstreamError):
        await scene.pool().list_models()


async def test_a_refused_key_does_not_keep_another_from_listing() -> None:
    scene = Scene()
    first, second = ScriptedClient(), ScriptedClient()
    first.listing_fails = KEY_REFUSED
    scene.add(ProviderSettings("a", "http://provider.invalid/v1", ()), first, second)
    pool = scene.pool()
    for _ in range(2):
        assert [model.id for each in await pool.list_models() for model in each.models] == ["m"]
    assert (first.listings, second.listings) == (1, 2)


async def test_only_who_serves_a_model_is_asked_for_it() -> None:
    scene = Scene()
    a, b = ScriptedClient("甲"), ScriptedClient("乙")
    a.models, b.models = ("x",), ("m",)
    for name, client in (("a", a), ("b", b)):
        scene.add(ProviderSettings(name, "http://provider.invalid/v1", ()), client)
    pool = scene.pool()
    await pool.list_models()
    assert [await ask(pool) for _ in range(4)] == ["乙"] * 4
