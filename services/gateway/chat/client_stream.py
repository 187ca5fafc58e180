"""The client of one running request: notices that it leaves, keeps its stream alive in silence."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Protocol

from starlette.types import Send

from services.gateway.chat.completions import HEARTBEAT
from services.gateway.chat.heartbeats import Heartbeats
from services.gateway.errors import ClientGoneError


class Body(Protocol):
    """The body of an answer, written directly; see `LiveBody`."""

    @property
    def gone(self) -> bool:
        """Whether nobody is there any more."""
        ...

    @property
    def full(self) -> bool:
        """Whether the client has not read what was written before."""
        ...

    async def room(self) -> None:
        """Wait until the client has read, or is gone."""
        ...

    def write(self, data: bytes) -> None:
        """Write a chunk, whether or not there is room."""
        ...

    def watching(self, on_gone: Callable[[], None]) -> AbstractContextManager[None]:
        """Inside, `on_gone` is called as soon as the client leaves."""
        ...


class ClientStream:
    """Writes to one client while `attended`, and cancels the work when the client is gone."""

    def __init__(self, send: Send, body: Body, heartbeats: Heartbeats) -> None:
        """Begin and complete the answer by `send`, and write its body; the request's body must have been read."""
        self._send = send
        self._body = body
        self._heartbeats = heartbeats
        self._clock = asyncio.get_running_loop().time
        self._streaming = False
        self._last_write = 0.0
        # Since when it has been too full for a heartbeat.
        self._full_since: float | None = None

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """Run the work inside; it is cancelled at once when the client leaves.

        Raises:
            ClientGoneError: The client left.
        """
        work = asyncio.current_task()
        if work is None:
            raise RuntimeError("attended outside of a task")
        if self._body.gone:
            raise ClientGoneError
        gone = False

        def leave() -> None:
            nonlocal gone
            if not gone:
                gone = True
                work.cancel()

        try:
            with self._body.watching(leave), self._heartbeats.looking(lambda now: self._look(now, leave)):
                yield
        except asyncio.CancelledError:
            # Ours, and nobody else's: then the cancellation ends here.
            if gone and work.uncancel() == 0:
                raise ClientGoneError from None
            raise

    async def start(self, headers: Mapping[str, str]) -> None:
        """Send status 200 and the headers, unless they are sent; heartbeats begin."""
        if self._streaming:
            return
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": raw})
        self._streaming = True
        self._last_write = self._clock()

    @property
    def started(self) -> bool:
        """Whether the status is sent, so that an error can only follow as an event."""
        return self._streaming

    @property
    def full(self) -> bool:
        """Whether the client has not read what was written before."""
        return self._body.full

    async def room(self) -> None:
        """Wait until it has."""
        await self._body.room()

    def write(self, data: bytes) -> None:
        """Write whole events; who writes much waits for `room` while it is `full`."""
        self._last_write = self._clock()
        self._body.write(data)

    async def finish(self, data: bytes) -> None:
        """Send the last bytes and complete the response; outside of `attended`."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    def _look(self, now: float, leave: Callable[[], None]) -> None:
        """Write a heartbeat if it is time; a client that reads so little that it cannot be sent is as good as gone."""
        if not self._streaming or now - self._last_write < self._heartbeats.due_s:
            self._full_since = None
        elif not self._body.full:
            self._full_since = None
            self.write(HEARTBEAT)
        elif self._full_since is None:
            self._full_since = now
        elif now - self._full_since >= self._heartbeats.silence_s:
            leave()
