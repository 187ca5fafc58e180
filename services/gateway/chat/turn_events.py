"""The events of one turn as they arrive, for one reader who takes them. Pure."""

import asyncio
from collections import deque
from collections.abc import Callable

from services.gateway.chat.domain import Completed, Delta, Event
from services.runtime.errors import ServiceError


class TurnEvents:
    """An iterator over events; whoever brings them never waits, and hears how far they were taken."""

    def __init__(self, on_taken: Callable[[int], None]) -> None:
        """Begin without events; `on_taken` is told each position that the reader has taken."""
        self._on_taken = on_taken
        self._waiting: deque[Event] = deque()
        self._news = asyncio.Event()
        self.ended = False
        self.error: ServiceError | None = None

    def put(self, event: Event) -> None:
        """An event arrived."""
        self._waiting.append(event)
        self._news.set()

    def end(self, error: ServiceError | None = None) -> None:
        """Nothing follows, or this error."""
        if not self.ended:
            self.ended, self.error = True, error
            self._news.set()

    def __aiter__(self) -> "TurnEvents":
        """Of itself."""
        return self

    async def __anext__(self) -> Event:
        """The next event.

        Raises:
            ServiceError: What the turn ended with.
        """
        while not self._waiting:
            if self.error is not None:
                raise self.error
            if self.ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        event = self._waiting.popleft()
        if isinstance(event, Delta | Completed):
            self._on_taken(event.position)
        return event
