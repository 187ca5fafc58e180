"""Answers that come in as a test says."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from services.chat.answer_stream import AnswerStream
from services.chat.answers.flights import merged
from services.chat.domain import Chunk


class GeneratedStream(AnswerStream):
    """What a generator yields, gathered as the network does; `one_by_one` gives a chunk at a time all the same."""

    def __init__(self, *, one_by_one: bool) -> None:
        self._one_by_one = one_by_one
        self._chunks: list[Chunk] = []
        self._error: Exception | None = None
        self._over = False
        self._news = asyncio.Event()
        self._told_when_whole: list[Callable[[], None]] = []
        self.looks = 0

    @property
    def ended(self) -> bool:
        return self._over and not self._chunks and self._error is None

    def take(self) -> Chunk | None:
        self.looks += 1
        if self._chunks:
            count = 1 if self._one_by_one else len(self._chunks)
            taken, self._chunks = self._chunks[:count], self._chunks[count:]
            return merged(taken)
        if self._error is not None:
            raise self._error
        return None

    async def arrived(self) -> None:
        while not (self._chunks or self._over):
            self._news.clear()
            await self._news.wait()
        if not self._chunks and self._error is not None:
            raise self._error

    def when_whole(self, tell: Callable[[], None]) -> None:
        if self._over:
            tell()
        else:
            self._told_when_whole.append(tell)

    async def gather(self, chunks: AsyncGenerator[Chunk]) -> None:
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    self._chunks.append(chunk)
                    self._news.set()
        except Exception as error:  # noqa: BLE001  # raised by whoever takes
            self._error = error
        self._over = True
        self._news.set()
        for tell in self._told_when_whole:
            tell()


@asynccontextmanager
async def generated(chunks: AsyncGenerator[Chunk], *, one_by_one: bool = False) -> AsyncIterator[GeneratedStream]:
    """What a generator yields, until the context is left."""
    stream = GeneratedStream(one_by_one=one_by_one)
    gathering = asyncio.create_task(stream.gather(chunks))
    try:
        yield stream
    finally:
        gathering.cancel()
        await asyncio.gather(gathering, return_exceptions=True)
