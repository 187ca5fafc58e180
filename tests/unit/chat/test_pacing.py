"""Coalescing: the first text at once, then few wake-ups, and nothing lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.chat.domain import Chunk, FinishReason
from services.chat.pacing import Background, Pace


async def play(*steps: str | float | Exception) -> AsyncIterator[Chunk]:
    for step in steps:
        if isinstance(step, float):
            await asyncio.sleep(step)
        elif isinstance(step, Exception):
            raise step
        else:
            yield Chunk(step)


async def test_the_first_text_does_not_wait_for_the_clock() -> None:
    pace = Pace(tick_min_s=10)
    async for chunk in pace.coalesce(play("first", 0.01)):
        assert chunk.text == "first"
        break


async def test_what_arrives_between_ticks_is_one_chunk() -> None:
    pace = Pace(tick_min_s=0.05)
    steps = play("a", 0.01, "b", 0.001, "c", 0.001, "d", 0.2, "e")
    assert [chunk.text async for chunk in pace.coalesce(steps)] == ["a", "bcd", "e"]


async def test_the_end_is_kept_with_the_last_text() -> None:
    async def steps() -> AsyncIterator[Chunk]:
        yield Chunk("a")
        await asyncio.sleep(0)
        yield Chunk("b")
        yield Chunk(finish_reason=FinishReason.STOP)

    chunks = [chunk async for chunk in Pace().coalesce(steps())]
    assert "".join(chunk.text for chunk in chunks) == "ab"
    assert chunks[-1].finish_reason is FinishReason.STOP


async def test_an_error_comes_after_what_was_received_before_it() -> None:
    texts = []
    with pytest.raises(ValueError, match="broken"):
        async for chunk in Pace().coalesce(play("a", "b", ValueError("broken"))):
            texts.append(chunk.text)  # what came before the error is what matters
    assert "".join(texts) == "ab"


async def test_leaving_early_stops_the_source() -> None:
    stopped = asyncio.Event()

    async def endless() -> AsyncIterator[Chunk]:
        try:
            while True:
                yield Chunk("x")
                await asyncio.sleep(0.001)
        finally:
            stopped.set()

    pace = Pace()
    chunks = pace.coalesce(endless())
    await anext(chunks)
    assert pace.live == 1
    await chunks.aclose()  # type: ignore[attr-defined]  # it is an async generator
    assert stopped.is_set()
    assert pace.live == 0


async def test_background_work_outlives_whoever_started_it() -> None:
    background, done = Background(), []

    async def work() -> None:
        await asyncio.sleep(0.02)
        done.append(1)

    async def caller() -> None:
        await asyncio.shield(background.start(work()))

    task = asyncio.create_task(caller())
    await asyncio.sleep(0.005)
    task.cancel()
    await background.drain()
    assert done == [1]
