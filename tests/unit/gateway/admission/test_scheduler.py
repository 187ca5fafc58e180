"""Turns run, wait in fair order, or are refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from prometheus_client import CollectorRegistry

from services.gateway.admission.metrics import AdmissionMetrics
from services.gateway.admission.scheduler import Capacity, TurnScheduler
from services.gateway.errors import QueueFullError, QueueTimeoutError, TooManyTurnsError

CAPACITY = Capacity(running_max=2, running_per_user_max=2, waiting_max=4, waiting_per_user_max=3, wait_s_max=5)


@dataclass
class House:
    """A scheduler and turns that run until they are ended; `order` is in which they came to run."""

    scheduler: TurnScheduler
    registry: CollectorRegistry
    order: list[str] = field(default_factory=list)
    ends: dict[str, asyncio.Event] = field(default_factory=dict)
    tasks: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)

    async def ask(self, name: str, *, weight: float = 1, positions: list[int] | None = None) -> None:
        """Begin a turn; the letters of its name are its user."""
        user_id = name.rstrip("0123456789")

        async def told(position: int) -> None:
            if positions is not None:
                positions.append(position)

        async def turn() -> None:
            self.ends[name] = asyncio.Event()
            async with self.scheduler.turn(user_id, weight=weight, on_position=told):
                self.order.append(name)
                await self.ends[name].wait()

        self.tasks[name] = asyncio.create_task(turn())
        await settle()

    async def end(self, name: str) -> None:
        """End a running turn."""
        self.ends[name].set()
        await settle()

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


async def settle() -> None:
    """Let everything happen that can."""
    for _ in range(10):
        await asyncio.sleep(0)


@asynccontextmanager
async def house(capacity: Capacity = CAPACITY) -> AsyncIterator[House]:
    registry = CollectorRegistry()
    found = House(TurnScheduler(capacity, AdmissionMetrics(registry)), registry)
    yield found
    for task in found.tasks.values():
        task.cancel()
    await asyncio.gather(*found.tasks.values(), return_exceptions=True)


async def test_what_there_is_room_for_runs_at_once() -> None:
    async with house() as it:
        await it.ask("a1")
        await it.ask("b1")
        assert it.order == ["a1", "b1"]
        assert it.sample("queqiao_admission_turns_running") == 2


async def test_the_next_ones_wait_and_come_in_fair_order() -> None:
    async with house() as it:
        for name in ("a1", "a2", "a3", "a4", "b1"):
            await it.ask(name)
        assert it.order == ["a1", "a2"]
        assert it.sample("queqiao_admission_queue_depth") == 3
        await it.end("a1")
        await it.end("a2")
        assert it.order == ["a1", "a2", "a3", "b1"]


async def test_a_user_at_their_own_limit_keeps_nobody_else_out() -> None:
    async with house(replace(CAPACITY, running_per_user_max=1)) as it:
        for name in ("a1", "a2", "b1"):
            await it.ask(name)
        assert it.order == ["a1", "b1"]
        await it.end("a1")
        assert it.order == ["a1", "b1", "a2"]


async def test_positions_are_told_as_they_change() -> None:
    positions: list[int] = []
    async with house() as it:
        for name in ("a1", "a2", "b1"):
            await it.ask(name)
        await it.ask("c1", positions=positions)
        assert positions == [2]
        await it.end("a1")
        await asyncio.sleep(1.1)
        assert positions == [2, 1]


async def test_a_user_who_has_too_many_waiting_is_refused_and_others_are_not() -> None:
    async with house() as it:
        for number in range(1, 6):
            await it.ask(f"a{number}")
        await it.ask("a6")
        with pytest.raises(TooManyTurnsError):
            await it.tasks["a6"]
        await it.ask("b1")
        assert not it.tasks["b1"].done()


async def test_when_everything_is_full_the_next_is_refused_before_any_work_and_told_when_to_come_back() -> None:
    async with house() as it:
        for name in ("a1", "b1", "c1", "d1", "e1"):
            await it.ask(name)
        with it.scheduler.arrival():
            await it.ask("f1")
        with pytest.raises(QueueFullError) as caught, it.scheduler.arrival():
            pytest.fail("there is no room")
        assert caught.value.retry_after_s is not None
        assert 1 <= caught.value.retry_after_s <= 60
        assert it.sample("queqiao_admission_refused_total", why="full") == 1


async def test_of_those_who_arrive_in_one_moment_only_as_many_come_in_as_there_is_room_for() -> None:
    async with house() as it:
        await it.ask("a1")
        with ExitStack() as arriving:
            for _ in range(5):
                arriving.enter_context(it.scheduler.arrival())
            with pytest.raises(QueueFullError), it.scheduler.arrival():
                pytest.fail("there is no room")
        # None of them asked for a turn.
        with it.scheduler.arrival():
            await it.ask("b1")
        assert it.order == ["a1", "b1"]


async def test_nobody_waits_longer_than_a_turn_may() -> None:
    async with house(replace(CAPACITY, wait_s_max=0.02)) as it:
        for name in ("a1", "b1", "c1"):
            await it.ask(name)
        with pytest.raises(QueueTimeoutError):
            await it.tasks["c1"]
        assert it.sample("queqiao_admission_queue_depth") == 0


async def test_whoever_leaves_the_queue_leaves_no_trace() -> None:
    async with house() as it:
        for name in ("a1", "b1", "c1", "d1"):
            await it.ask(name)
        it.tasks["c1"].cancel()
        await settle()
        await it.end("a1")
        assert it.order == ["a1", "b1", "d1"]


async def test_a_place_that_was_given_to_whoever_is_just_leaving_goes_to_the_next() -> None:
    async with house() as it:
        for name in ("a1", "b1", "c1", "d1"):
            await it.ask(name)
        it.ends["a1"].set()
        it.tasks["c1"].cancel()
        await settle()
        assert it.order == ["a1", "b1", "d1"]
        await it.end("b1")
        await it.end("d1")
        assert it.sample("queqiao_admission_turns_running") == 0


async def test_a_turn_that_fails_gives_its_place_back() -> None:
    async with house() as it:
        for _ in range(3):
            with pytest.raises(ValueError, match="turn"):
                async with it.scheduler.turn("a", weight=1):
                    raise ValueError("turn")
        assert it.sample("queqiao_admission_turns_running") == 0
