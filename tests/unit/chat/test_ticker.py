"""Coalescing: the first text at once, then few wake-ups, and nothing lost."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from services.chat.domain import Chunk, FinishReason, Usage
from services.chat.ticker import Background, Ticker
from tests.fakes.turn_ports import chunk


def text_of(chunk: Chunk) -> str:
    return "".join(piece.text for piece in chunk.pieces)


class Source:
    """Gathers what arrives while nobody looks, as the network does."""

    def __init__(self, *steps: str | float | Exception) -> None:
        self.steps = steps
        self.looks = 0

    async def __call__(self) -> AsyncGenerator[Chunk]:
        arrived: asyncio.Queue[str | Exception | None] = asyncio.Queue()

        async def arrive() -> None:
            for step in self.steps:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    arrived.put_nowait(step)
            arrived.put_nowait(None)

        task = asyncio.create_task(arrive())
        try:
            ended = False
            while not ended:
                self.looks += 1
                batch = [await arrived.get()]
                while not arrived.empty():
                    batch.append(arrived.get_nowait())
                failure = next((item for item in batch if isinstance(item, Exception)), None)
                ended = None in batch
                yield chunk("".join(item for item in batch if isinstance(item, str)))
                if failure:
                    raise failure
        finally:
            task.cancel()


async def test_the_first_text_does_not_wait_for_the_clock() -> None:
    pace = Ticker(tick_min_s=10, tick_max_s=10)
    async with aclosing(pace.coalesce(Source("first", 0.01)())) as chunks, asyncio.timeout(1):
        assert text_of(await anext(chunks)) == "first"


async def test_what_arrives_between_ticks_is_one_chunk_and_nobody_wakes_for_it() -> None:
    pace = Ticker(tick_min_s=0.05, tick_max_s=0.05)
    source = Source("a", 0.01, "b", 0.001, "c", 0.001, "d", 0.2, "e")
    texts = [text_of(each) async for each in pace.coalesce(source())]
    assert [text for text in texts if text] == ["a", "bcd", "e"]
    assert source.looks <= 4


async def test_live_answers_tick_together() -> None:
    pace, ticks = Ticker(tick_min_s=0.03, tick_max_s=0.03), []

    async def listen(steps: int) -> None:
        clock = asyncio.get_running_loop().time
        async for _ in pace.coalesce(Source(*(step for _ in range(steps) for step in ("x", 0.007)))()):
            ticks.append(round(clock(), 3))

    await asyncio.gather(*(listen(10) for _ in range(5)))
    assert len(set(ticks)) <= len(ticks) / 2


async def test_the_end_is_not_waited_for() -> None:
    async def chunks() -> AsyncGenerator[Chunk]:
        yield chunk("a", FinishReason.STOP)
        yield Chunk(usage=Usage(1, 1))

    pace = Ticker(tick_min_s=10, tick_max_s=10)
    async with asyncio.timeout(1):
        assert len([each async for each in pace.coalesce(chunks())]) == 2


async def test_an_error_comes_after_what_was_received_before_it() -> None:
    texts = []
    with pytest.raises(ValueError, match="broken"):
        async for each in Ticker().coalesce(Source("a", "b", ValueError("broken"))()):
            texts.append(text_of(each))
    assert "".join(texts) == "ab"


async def test_leaving_early_closes_the_source_even_while_it_waits_for_the_clock() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[Chunk]:
        try:
            while True:
                yield chunk("x")
        finally:
            closed.set()

    pace = Ticker(tick_min_s=10, tick_max_s=10)

    async def listen() -> None:
        async with aclosing(pace.coalesce(endless())) as chunks:
            async for _ in chunks:
                pass

    task = asyncio.create_task(listen())
    await asyncio.sleep(0.02)
    assert pace.live == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert closed.is_set()
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
