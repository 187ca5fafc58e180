"""Nagle for calls: who wakes together travels together."""

import asyncio
from collections.abc import Sequence

import pytest

from services.runtime.batching import Batcher


class Recorder:
    def __init__(self, delay_s: float = 0.0) -> None:
        self.batches: list[list[int]] = []
        self.running = 0
        self.running_max = 0
        self.delay_s = delay_s

    async def call(self, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        self.running += 1
        self.running_max = max(self.running_max, self.running)
        await asyncio.sleep(self.delay_s)
        self.running -= 1
        if -1 in items:
            raise ValueError("bad batch")
        return [item * 10 for item in items]


async def test_items_of_one_wake_up_share_a_call_and_each_gets_its_own_answer() -> None:
    recorder = Recorder()
    batcher: Batcher[int, int] = Batcher(recorder.call, in_flight_max=2)
    assert await asyncio.gather(*(batcher.submit(n) for n in range(5))) == [0, 10, 20, 30, 40]
    assert recorder.batches == [[0, 1, 2, 3, 4]]


async def test_no_more_calls_run_at_once_than_allowed_and_none_is_larger_than_allowed() -> None:
    recorder = Recorder(0.005)
    batcher: Batcher[int, int] = Batcher(recorder.call, in_flight_max=2, batch_max=3)
    answers = await asyncio.gather(*(batcher.submit(n) for n in range(20)))
    assert answers == [n * 10 for n in range(20)]
    assert recorder.running_max == 2
    assert max(len(batch) for batch in recorder.batches) == 3


async def test_a_failure_reaches_everyone_on_board_and_nobody_else() -> None:
    recorder = Recorder()
    batcher: Batcher[int, int] = Batcher(recorder.call, in_flight_max=2)
    results = await asyncio.gather(batcher.submit(-1), batcher.submit(1), return_exceptions=True)
    assert all(isinstance(result, ValueError) for result in results)
    assert await batcher.submit(2) == 20


async def test_whoever_gave_up_waiting_is_not_sent() -> None:
    recorder = Recorder(0.01)
    batcher: Batcher[int, int] = Batcher(recorder.call, in_flight_max=1)
    first = asyncio.create_task(batcher.submit(1))
    await asyncio.sleep(0.002)
    second = asyncio.create_task(batcher.submit(2))
    await asyncio.sleep(0.002)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert await first == 10
    await asyncio.sleep(0.02)
    assert recorder.batches == [[1]]


async def test_an_answer_too_few_is_an_error_for_everyone_and_hangs_nobody() -> None:
    async def short(items: Sequence[int]) -> Sequence[int]:
        return list(items)[:-1]

    batcher: Batcher[int, int] = Batcher(short, in_flight_max=1)
    async with asyncio.timeout(1):
        results = await asyncio.gather(batcher.submit(1), batcher.submit(2), return_exceptions=True)
    assert all(isinstance(result, ValueError) for result in results)


async def test_whoever_can_wait_goes_along_with_whoever_cannot() -> None:
    recorder = Recorder()
    batcher: Batcher[int, int] = Batcher(recorder.call, in_flight_max=2)
    patient = [asyncio.create_task(batcher.submit(n, patience_s=30)) for n in (1, 2)]
    await asyncio.sleep(0.02)
    assert recorder.batches == []
    assert await batcher.submit(3) == 30
    assert await asyncio.gather(*patient) == [10, 20]
    assert recorder.batches == [[1, 2, 3]]


async def test_whoever_can_wait_goes_alone_when_the_shortest_patience_has_run_out() -> None:
    recorder = Recorder()
    batcher: Batcher[int, int] = Batcher(recorder.call, in_flight_max=2)
    async with asyncio.timeout(5):
        await asyncio.gather(batcher.submit(1, patience_s=30), batcher.submit(2, patience_s=0.02))
        begin = asyncio.get_running_loop().time()
        assert await batcher.submit(3, patience_s=0.05) == 30
        assert asyncio.get_running_loop().time() - begin >= 0.04
    assert recorder.batches == [[1, 2], [3]]


async def test_a_call_that_returns_does_not_hurry_whoever_can_wait() -> None:
    recorder = Recorder(0.01)
    batcher: Batcher[int, int] = Batcher(recorder.call, in_flight_max=1)
    first = asyncio.create_task(batcher.submit(1))
    await asyncio.sleep(0.002)
    patient = asyncio.create_task(batcher.submit(2, patience_s=30))
    await first
    await asyncio.sleep(0.02)
    assert recorder.batches == [[1]]
    await batcher.submit(3)
    await patient
    assert recorder.batches == [[1], [2, 3]]


async def test_whoever_found_no_room_leaves_as_soon_as_a_call_may() -> None:
    recorder = Recorder(0.005)
    batcher: Batcher[int, int] = Batcher(recorder.call, in_flight_max=1, batch_max=2)
    async with asyncio.timeout(5):
        await asyncio.gather(*(batcher.submit(n, patience_s=30) for n in range(4)), batcher.submit(4))
    assert [len(batch) for batch in recorder.batches] == [2, 2, 1]


async def test_when_enough_wait_patiently_they_go_at_once() -> None:
    recorder = Recorder()
    batcher: Batcher[int, int] = Batcher(recorder.call, in_flight_max=2, enough=3)
    async with asyncio.timeout(1):
        await asyncio.gather(*(batcher.submit(n, patience_s=10) for n in range(3)))
    assert recorder.batches == [[0, 1, 2]]


async def test_a_drain_waits_for_what_is_under_way_and_for_what_is_about_to_be() -> None:
    recorder = Recorder(0.005)
    batcher: Batcher[int, int] = Batcher(recorder.call, in_flight_max=1)
    for number in range(3):
        asyncio.ensure_future(batcher.submit(number)).cancel()
        asked = asyncio.ensure_future(batcher.submit(10 + number))
        await asyncio.sleep(0)
    await batcher.drain()
    assert (recorder.running, asked.done()) == (0, True)
    assert sorted(item for batch in recorder.batches for item in batch) == [10, 11, 12]
    await batcher.drain()
