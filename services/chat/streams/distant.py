"""A turn that runs at another replica, listened to as if it ran here. Pure."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from services.chat.streams.domain import Entry


class Distant:
    """The port `Listener`, with a task that reads the turn's log no further than somebody takes."""

    def __init__(self, entries: AsyncGenerator[Entry], after: int, on_news: Callable[[], None]) -> None:
        """Read these, which begin behind a position; `on_news` is called at each, and at an error."""
        self._waiting: deque[Entry] = deque()
        self._reached = after
        self._before: float = -math.inf
        self._room = asyncio.Event()
        self._on_news = on_news
        self._error: Exception | None = None
        self.ended = False
        self._reading = asyncio.create_task(self._read(entries))

    def take(self, before: float = math.inf) -> list[Entry]:
        """What is new; more is read until an event reaches the position.

        Raises:
            Exception: The log does not go on; a ServiceError says why.
        """
        self._before = before
        self._room.set()
        if self._error is not None and not self._waiting:
            raise self._error
        if self._error is not None:
            self._on_news()
        taken = list(self._waiting)
        self._waiting.clear()
        self.ended = self.ended or (bool(taken) and taken[-1].is_end)
        return taken

    def leave(self, *, stop: bool = False) -> None:
        """Read no more; who may stop the turn stands elsewhere."""
        self._reading.cancel()

    async def _read(self, entries: AsyncGenerator[Entry]) -> None:
        try:
            async with aclosing(entries):
                async for entry in entries:
                    while self._reached >= self._before:
                        self._room.clear()
                        await self._room.wait()
                    self._reached = max(self._reached, entry.position)
                    self._waiting.append(entry)
                    self._on_news()
        except Exception as error:  # noqa: BLE001  # whoever takes is told
            self._error = error
            self._on_news()
