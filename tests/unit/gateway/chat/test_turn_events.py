"""Events of a turn: pulled one by one, or poured out as they arrive, and counted when they were taken."""

import asyncio
from collections.abc import Callable

import pytest

from services.gateway.chat.domain import Delta, Event
from services.gateway.chat.turn_events import TurnEvents
from services.runtime.errors import UnavailableError


class Glass:
    """Holds so many events."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.events: list[Event] = []
        self._emptied = asyncio.Event()

    @property
    def full(self) -> bool:
        return len(self.events) >= self.size

    async def room(self) -> None:
        self._emptied.clear()
        await self._emptied.wait()

    def empty(self) -> list[Event]:
        events, self.events = self.events, []
        self._emptied.set()
        return events


def deltas(*positions: int) -> list[Delta]:
    return [Delta("x", position=position) for position in positions]


def counted() -> tuple[TurnEvents, list[int]]:
    taken: list[int] = []
    return TurnEvents(taken.append), taken


async def poured(events: TurnEvents, take: Callable[[Event], None], glass: Glass) -> asyncio.Task[None]:
    task = asyncio.create_task(events.pour(take, glass))
    await asyncio.sleep(0)
    return task


async def test_events_are_pulled_in_order_and_counted_when_they_are() -> None:
    events, taken = counted()
    for event in deltas(1, 2):
        events.put(event)
    assert (await anext(events), taken) == (Delta("x", position=1), [1])
    events.end()
    assert [event async for event in events] == deltas(2)


async def test_what_arrives_is_poured_at_once_without_waking_whoever_waits_for_the_end() -> None:
    events, taken = counted()
    glass = Glass(10)
    events.put(deltas(1)[0])
    task = await poured(events, glass.events.append, glass)
    for event in deltas(2, 3):
        events.put(event)
    assert (glass.events, taken) == (deltas(1, 2, 3), [1, 2, 3])
    assert not task.done()
    events.end()
    await task


async def test_what_has_no_room_waits_uncounted_and_comes_in_order() -> None:
    events, taken = counted()
    glass = Glass(2)
    task = await poured(events, lambda event: glass.events.append(event), glass)
    for event in deltas(1, 2, 3, 4, 5):
        events.put(event)
    events.end()
    for expected in ((1, 2), (3, 4), (5,)):
        await asyncio.sleep(0.01)
        assert taken[-1] == expected[-1]
        assert not task.done() or expected == (5,)
        assert glass.empty() == deltas(*expected)
    await task


@pytest.mark.parametrize("early", [False, True])
async def test_the_error_of_a_turn_comes_behind_its_events(early: bool) -> None:
    events, _ = counted()
    glass = Glass(10)
    if early:
        events.put(deltas(1)[0])
        events.end(UnavailableError("broke"))
    task = await poured(events, glass.events.append, glass)
    if not early:
        events.put(deltas(1)[0])
        events.end(UnavailableError("broke"))
    with pytest.raises(UnavailableError):
        await task
    assert glass.events == deltas(1)


async def test_an_error_of_the_reader_is_its_own_and_not_of_whoever_brings_events() -> None:
    events, _ = counted()

    def refuse(event: Event) -> None:
        raise ValueError("no")

    task = await poured(events, refuse, Glass(10))
    events.put(deltas(1)[0])
    with pytest.raises(ValueError, match="no"):
        await task
