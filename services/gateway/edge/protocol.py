"""uvicorn's protocols, with an end to whatever comes too slowly or never ends."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from services.gateway.edge.live_body import LiveBody, put_live_body

# nginx's client_header_timeout is 60 s; nobody honest needs more than a second behind it.
_HEADERS_S = 10.0

# As large_client_header_buffers of nginx, which is 4 × 8 KiB.
_HEADERS_BYTES_MAX = 32 * 1024

# How long the rest of a body may come that nobody waits for any more. Closing at once would take the answer along that
# the client has not read yet.
_REST_S = 5.0

# How much of what a WebSocket received is taken apart at once.
_PIECE_BYTES = 1024

# How long a WebSocket that is closed waits for its client to agree.
_CLOSE_S = 2.0

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Protocol(HttpToolsProtocol):
    """One connection."""

    _deadline: asyncio.TimerHandle | None = None
    _rest: asyncio.TimerHandle | None = None
    _reading = False
    _received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """A client has connected, and has so long to send the headers of its first request."""
        super().connection_made(transport)
        self._watched: set[LiveBody] = set()
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        """Bytes came; those of headers are counted."""
        if self.transport.is_closing():
            return
        if self._reading:
            self._received += len(data)
            whole = data.find(b"\r\n\r\n") >= 0
            if self._received > _HEADERS_BYTES_MAX and not whole:
                self._refuse(_TOO_LARGE)
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The headers are whole."""
        self._stop_waiting()
        super().on_headers_complete()
        # A request to speak WebSocket has none of its own.
        if getattr(self.cycle, "scope", None) is self.scope:
            put_live_body(self.scope, LiveBody(self.cycle, self._watched))

    def on_message_begin(self) -> None:
        """A request begins: the first of the connection, or the next of one that was kept."""
        if not self._reading:
            self._await_headers()
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._forget_rest()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is written, maybe before the request was whole."""
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body and not self.transport.is_closing():
            self._rest = self.loop.call_later(_REST_S, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._stop_waiting()
        self._forget_rest()
        super().connection_lost(exc)
        for body in tuple(self._watched):
            body.lose()

    def _await_headers(self) -> None:
        self._reading, self._received = True, 0
        self._deadline = self.loop.call_later(_HEADERS_S, self._refuse, _TOO_SLOW)

    def _stop_waiting(self) -> None:
        self._reading = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _forget_rest(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def _refuse(self, answer: bytes) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()


class SocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """As uvicorn's own."""
        super().__init__(*arguments, **named)
        self.close_timeout = _CLOSE_S
        self._unread = bytearray()

    def data_received(self, data: bytes) -> None:
        """Bytes came, many frames of them maybe: as frames they take far more room, so most stay bytes until wanted."""
        self._unread += data
        self._feed()

    async def receive(self) -> Any:
        """As uvicorn's own."""
        message = await super().receive()
        self._feed()
        return message

    def _feed(self) -> None:
        while self._unread and not self.read_paused and not self.transport.is_closing():
            piece = bytes(self._unread[:_PIECE_BYTES])
            del self._unread[:_PIECE_BYTES]
            super().data_received(piece)
