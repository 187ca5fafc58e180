"""When a second provider is asked, and who wins."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.chat.upstreams.hedging import Hedging, first_of
from services.chat.upstreams.settings import HedgingSettings


def test_what_is_late_is_known_by_provider_and_model_from_enough_answers() -> None:
    hedging = Hedging(HedgingSettings(enabled=True, min_samples=20))
    for number in range(1, 20):
        hedging.took("a", "m", number / 10)
    assert hedging.patience_s("a", "m") is None
    hedging.took("a", "m", 2.0)
    assert hedging.patience_s("a", "m") == 1.9
    assert hedging.patience_s("a", "other") is None
    assert hedging.patience_s("b", "m") is None


def test_only_the_latest_answers_count() -> None:
    hedging = Hedging(HedgingSettings(enabled=True))
    for seconds in [9.0] * 300 + [0.5] * 200:
        hedging.took("a", "m", seconds)
    assert hedging.patience_s("a", "m") == 0.5


def test_nobody_is_asked_twice_unless_the_owner_wants_it() -> None:
    hedging = Hedging(HedgingSettings(enabled=False))
    for _ in range(100):
        hedging.took("a", "m", 0.1)
    assert hedging.patience_s("a", "m") is None


@pytest.mark.parametrize(("percent", "of_1000"), [(1, 10), (5, 50), (100, 1000)])
def test_the_share_of_calls_that_are_asked_twice_is_bounded(percent: int, of_1000: int) -> None:
    hedging = Hedging(HedgingSettings(enabled=True, share_percent_max=percent))
    spent = 0
    for _ in range(1000):
        hedging.patience_s("a", "m")
        spent += hedging.spend()
    assert spent == of_1000


@dataclass
class Legs:
    """Things that open after a while, or fail."""

    discarded: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def leg(self, name: str, after_s: float, error: Exception | None = None) -> Callable[[], Coroutine[Any, Any, str]]:
        async def open_it() -> str:
            try:
                await asyncio.sleep(after_s)
            except asyncio.CancelledError:
                self.cancelled.append(name)
                raise
            if error is not None:
                raise error
            return name

        return open_it

    async def discard(self, name: str) -> None:
        self.discarded.append(name)

    async def run(
        self, first: Callable[[], Coroutine[Any, Any, str]], second: Callable[[], Coroutine[Any, Any, str]]
    ) -> str:
        return await first_of(first, second, patience_s=0.01, discard=self.discard)


async def test_whoever_opens_first_wins_and_the_other_is_cancelled() -> None:
    legs = Legs()
    assert await legs.run(legs.leg("a", 30), legs.leg("b", 0)) == "b"
    assert await legs.run(legs.leg("a", 0.03), legs.leg("b", 30)) == "a"
    assert (legs.cancelled, legs.discarded) == (["a", "b"], [])


async def test_what_opens_beside_the_winner_is_discarded() -> None:
    legs = Legs()

    async def stubborn() -> str:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "a"
        return "never"

    assert await legs.run(stubborn, legs.leg("b", 0)) == "b"
    assert legs.discarded == ["a"]


async def test_when_neither_opens_the_first_ones_error_is_told() -> None:
    legs = Legs()
    with pytest.raises(KeyError):
        await legs.run(legs.leg("a", 0.03, KeyError()), legs.leg("b", 0, ValueError()))
    with pytest.raises(KeyError):
        await legs.run(legs.leg("a", 0, KeyError()), legs.leg("b", 0))


async def test_whoever_cancels_leaves_nothing_behind() -> None:
    legs = Legs()
    running = asyncio.create_task(legs.run(legs.leg("a", 30), legs.leg("b", 30)))
    await asyncio.sleep(0.03)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert legs.cancelled == ["a", "b"]


async def test_a_winner_that_comes_too_late_for_whoever_left_is_discarded() -> None:
    legs = Legs()

    async def slow_to_leave() -> str:
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.03)
        return "never"

    running = asyncio.create_task(legs.run(slow_to_leave, legs.leg("b", 0)))
    await asyncio.sleep(0.03)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert legs.discarded == ["b"]
