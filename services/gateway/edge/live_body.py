"""The body of an answer that goes on for long: written without a task, by whoever has something to write.

ASGI's `send` is a coroutine through every layer of the application, so each event of a stream would wake a task to be
written. Here it goes from the caller to the transport; who must wait for a slow client, or hear that it left, is told.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

# Where a request has it, among the extensions of its scope.
_BODY = "queqiao.live_body"


class LiveBody:
    """One answer's, once its headers have been sent through ASGI; it is completed there, too."""

    def __init__(self, cycle: RequestResponseCycle, watched: "set[LiveBody]") -> None:
        """Write to this request's client; `watched` are those whose connection tells them that it is lost."""
        self._cycle = cycle
        self._watched = watched
        self._on_gone: Callable[[], None] | None = None

    @property
    def gone(self) -> bool:
        """Whether nobody is there any more."""
        return self._cycle.disconnected or self._cycle.transport.is_closing()

    @property
    def full(self) -> bool:
        """Whether the client has not read what was written before."""
        return self._cycle.flow.write_paused

    async def room(self) -> None:
        """Wait until the client has read, or is gone."""
        await self._cycle.flow.drain()

    def write(self, data: bytes) -> None:
        """Write a chunk, whether or not there is room; to a client that is gone, nothing."""
        if not self._cycle.chunked_encoding:
            raise RuntimeError("a body is written after its headers, which must give it no length")
        if not self.gone:
            self._cycle.transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    @contextmanager
    def watching(self, on_gone: Callable[[], None]) -> Iterator[None]:
        """Inside, `on_gone` is called as soon as the client leaves; the request's body must have been read."""
        self._on_gone = on_gone
        self._watched.add(self)
        # Else a connection that ends would not be noticed.
        self._cycle.flow.resume_reading()
        try:
            yield
        finally:
            self._watched.discard(self)

    def lose(self) -> None:
        """The connection is lost."""
        if self._on_gone is not None:
            self._on_gone()


def put_live_body(scope: Any, body: LiveBody) -> None:
    """Let a request have it."""
    scope.setdefault("extensions", {})[_BODY] = body


def live_body(scope: Scope) -> LiveBody:
    """That of a request."""
    body: LiveBody = scope["extensions"][_BODY]
    return body
