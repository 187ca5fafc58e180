"""Calls that stay open for as long as both sides live, and must not hold up a drain."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

RequestT = TypeVar("RequestT")


class EndlessCalls:
    """The open calls of a server; a drain ends each of them between two requests."""

    def __init__(self) -> None:
        """Begin without calls."""
        self._draining = asyncio.Event()
        self._waiting: set[asyncio.Task[object]] = set()
        self._told: set[Callable[[], None]] = set()

    async def requests(self, call: AsyncIterator[RequestT]) -> AsyncGenerator[RequestT]:
        """The requests of a call until its caller ends it or the server drains."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call is served by a task")
        while not self._draining.is_set():
            self._waiting.add(task)
            try:
                request = await anext(call, None)
            except asyncio.CancelledError:
                if not self._draining.is_set():
                    raise
                task.uncancel()
                return
            finally:
                self._waiting.discard(task)
            if request is None:
                return
            yield request

    @contextmanager
    def told(self, on_drain: Callable[[], None]) -> Iterator[None]:
        """A call that has more to say and ends by itself, soon after it was told of the drain."""
        self._told.add(on_drain)
        try:
            if self._draining.is_set():
                on_drain()
            yield
        finally:
            self._told.discard(on_drain)

    def drain(self) -> None:
        """End those that wait for a request now, and the others once they have answered theirs."""
        self._draining.set()
        for on_drain in tuple(self._told):
            on_drain()
        for task in self._waiting:
            task.cancel()
