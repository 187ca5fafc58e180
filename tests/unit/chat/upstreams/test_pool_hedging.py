"""A second provider is asked when the first is slow."""

import asyncio

import pytest

from services.chat.domain import Chunk, Piece
from services.chat.upstreams.settings import HedgingSettings
from services.chat.upstreams.settings import Role as ProviderRole
from tests.fakes.model_providers import Scene, ScriptedClient
from tests.unit.chat.upstreams.pools import (
    SERVER,
    ask,
    chunks_of,
    provider,
    two,
)


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
