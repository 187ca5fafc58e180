"""The client of one running request: notices that it leaves, keeps its stream alive in silence."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from starlette.types import Receive, Send

from services.gateway.chat.completions import HEARTBEAT
from services.gateway.errors import ClientGoneError


class ClientStream:
    """Writes to one client while `attended`, and cancels the work when the client is gone."""

    def __init__(self, receive: Receive, send: Send, *, heartbeat_s: float) -> None:
        """Talk over these ASGI callables; the request's body must have been read."""
        self._receive = receive
        self._send = send
        self._heartbeat_s = heartbeat_s
        self._clock = asyncio.get_running_loop().time
        self._streaming = False
        self._last_write = 0.0

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """Run the work inside; it is cancelled at once when the client leaves.

        Nothing that completes the response may be sent inside: after it the server reports a disconnect.

        Raises:
            ClientGoneError: The client left.
        """
        work = asyncio.current_task()
        if work is None:
            raise RuntimeError("attended outside of a task")
        gone = False

        async def attend() -> None:
            nonlocal gone
            await self._attend()
            gone = True
            work.cancel()

        companion = asyncio.create_task(attend())
        try:
            yield
        except asyncio.CancelledError:
            # Ours, and nobody else's: then the cancellation ends here.
            if gone and work.uncancel() == 0:
                raise ClientGoneError from None
            raise
        finally:
            companion.cancel()

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

    async def write(self, data: bytes) -> None:
        """Send whole events."""
        self._last_write = self._clock()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, data: bytes) -> None:
        """Send the last bytes and complete the response; outside of `attended`."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def _attend(self) -> None:
        """Send heartbeats; return when the client is gone."""
        while True:
            try:
                async with asyncio.timeout(self._quiet_s()):
                    message = await self._receive()
            except TimeoutError:
                if self._streaming and self._quiet_s() <= 0 and not await self._beat():
                    return
                continue
            if message["type"] == "http.disconnect":
                return

    async def _beat(self) -> bool:
        """Send a heartbeat; false when the client reads so little that it cannot be sent: it is as good as gone."""
        try:
            async with asyncio.timeout(self._heartbeat_s):
                await self.write(HEARTBEAT)
        except TimeoutError:
            return False
        return True

    def _quiet_s(self) -> float:
        """How much longer the stream may be silent."""
        if not self._streaming:
            return self._heartbeat_s
        return self._last_write + self._heartbeat_s - self._clock()
