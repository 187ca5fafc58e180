"""When things happen: one clock for all live answers, and work that outlives its caller.

Cost is per message and per wake-up, not per byte, so deltas are coalesced: the first goes at once; after it, one
clock per process looks at what every live answer received since the last tick. All answers wake in the same turn of
the event loop, so their windows share one call to moderation. The tick grows with the number of live answers: CPU
per answer falls as load rises, and nobody sees 40 ms between words.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

import structlog

from services.chat.domain import Chunk
from services.runtime.errors import ServiceError

ResultT = TypeVar("ResultT")

log = structlog.get_logger()


class Ticker:
    """The clock of a process."""

    def __init__(
        self, *, tick_min_s: float = 0.002, tick_max_s: float = 0.040, tick_per_answer_s: float = 0.0005
    ) -> None:
        """Tick every `tick_per_answer_s` × live answers, within the bounds."""
        self._tick_min_s = tick_min_s
        self._tick_max_s = tick_max_s
        self._tick_per_answer_s = tick_per_answer_s
        self._live = 0
        self._next: asyncio.Event | None = None

    @property
    def live(self) -> int:
        """How many answers are being written."""
        return self._live

    async def coalesce(self, chunks: AsyncGenerator[Chunk]) -> AsyncGenerator[Chunk]:
        """Yield what the source has, and look again at the next tick.

        The source gathers what arrives while nobody looks, so between two ticks nothing wakes up at all. What was
        slow to come is passed on when it comes, and the end is not waited for.
        """
        self._live += 1
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk
                    if chunk.pieces and chunk.finish_reason is None:
                        await self._tick()
        finally:
            self._live -= 1

    async def _tick(self) -> None:
        if self._next is None:
            self._next = asyncio.Event()
            delay_s = min(max(self._live * self._tick_per_answer_s, self._tick_min_s), self._tick_max_s)
            asyncio.get_running_loop().call_later(delay_s, self._ring, self._next)
        await self._next.wait()

    def _ring(self, tick: asyncio.Event) -> None:
        self._next = None
        tick.set()


class Background:
    """Work that must be finished although nobody may be waiting for it any more."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, ResultT]) -> asyncio.Task[ResultT]:
        """Run it to its end; a failure that nobody sees is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def drain(self) -> None:
        """Wait for all of it."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            reason = str(error) if isinstance(error, ServiceError) else ""
            log.error("background work failed", error=type(error).__name__, reason=reason)
