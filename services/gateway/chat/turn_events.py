"""The events of one turn as they arrive, for one reader who takes them. Pure."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from services.gateway.chat.domain import Completed, Delta, Event, Started
from services.runtime.errors import ServiceError


class Room(Protocol):
    """Who passes events on, and may have no room for more."""

    @property
    def full(self) -> bool:
        """Whether the next event must wait."""
        ...

    async def room(self) -> None:
        """Wait until there is room."""
        ...


class TurnEvents:
    """An iterator over events; whoever brings them never waits, and hears how far they were taken."""

    def __init__(self, on_taken: Callable[[int], None]) -> None:
        """Begin without events; `on_taken` is told each position that the reader has taken."""
        self._on_taken = on_taken
        self._waiting: deque[Event] = deque()
        self._news = asyncio.Event()
        self.ended = False
        self.error: ServiceError | None = None
        # Whoever takes events as they arrive, while there is room.
        self._take: Callable[[Event], None] | None = None
        self._room: Room | None = None
        self._raised: Exception | None = None

    def put(self, event: Event) -> None:
        """An event arrived."""
        if self._take is None or self._room is None:
            self._waiting.append(event)
            self._news.set()
            return
        try:
            self._take(event)
        except Exception as error:  # noqa: BLE001  # it is the reader's affair, and not of whoever brings events
            self._raised = error
        self._took(event)
        if self._room.full or self._raised is not None:
            self._take = self._room = None
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
            if self._over():
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        event = self._waiting.popleft()
        self._took(event)
        return event

    async def pour(self, take: Callable[[Event], None], room: Room) -> None:
        """Hand on every event the moment it arrives, until the end; wakes for none but for the end and a lack of room.

        Raises:
            ServiceError: What the turn ended with.
        """
        while self._raised is None:
            while self._waiting and not room.full:
                event = self._waiting.popleft()
                take(event)
                self._took(event)
            if room.full:
                await room.room()
            elif self._over():
                return
            else:
                self._news.clear()
                self._take, self._room = take, room
                try:
                    await self._news.wait()
                finally:
                    self._take = self._room = None
        raise self._raised

    def _over(self) -> bool:
        if self.error is not None:
            raise self.error
        return self.ended

    def _took(self, event: Event) -> None:
        if isinstance(event, Delta | Completed):
            self._on_taken(event.position)


# A turn to follow: entering it asks, and answers how it started and what follows.
Turn: TypeAlias = AbstractAsyncContextManager[tuple[Started, TurnEvents]]
