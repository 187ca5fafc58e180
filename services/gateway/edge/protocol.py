"""uvicorn's HTTP protocol, with an end to headers that come too slowly or never end."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# nginx's client_header_timeout is 60 s; nobody honest needs more than a second behind it.
_HEADERS_S = 10.0

# As large_client_header_buffers of nginx, which is 4 × 8 KiB.
_HEADERS_BYTES_MAX = 32 * 1024

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Protocol(HttpToolsProtocol):
    """One connection."""

    _deadline: asyncio.TimerHandle | None = None
    _reading = False
    _received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """A client has connected, and has so long to send the headers of its first request."""
        super().connection_made(transport)
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

    def on_message_begin(self) -> None:
        """A request begins: the first of the connection, or the next of one that was kept."""
        if not self._reading:
            self._await_headers()
        super().on_message_begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        self._reading, self._received = True, 0
        self._deadline = self.loop.call_later(_HEADERS_S, self._refuse, _TOO_SLOW)

    def _stop_waiting(self) -> None:
        self._reading = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, answer: bytes) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()
