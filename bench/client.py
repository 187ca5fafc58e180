"""The load generator's HTTP client: chats over kept-alive connections, for as little CPU as possible.

A general client wakes a task for every chunk; here a chunk is one callback that looks for three byte strings.
"""

import asyncio
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_TEXT = re.compile(rb'"content":\s*"[^"]')
_EVENT = b"data: {"
_DONE = b"data: [DONE]"
_FAILED = b'data: {"error"'


class TargetError(ValueError):
    """The URL is not one that may be put under load."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where chats go: the address of a `/v1` base URL on this machine."""

    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str) -> "Target":
        """Reads an `http://` base URL such as `http://127.0.0.1:8080/v1`.

        Raises:
            TargetError: it is not plain HTTP, or leads to another machine.
        """
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in LOOPBACK:
            raise TargetError(f"{url}: load goes to this machine only; write http://127.0.0.1:PORT/v1")
        return cls(parts.hostname, parts.port or 80, parts.path.rstrip("/") + "/chat/completions")

    def request(self, api_key: str, model: str, question: str, headers: Sequence[str] = ()) -> bytes:
        """The bytes of one streamed chat completion request; `headers` are lines such as `x-name: value`."""
        message = {"role": "user", "content": question}
        options = {"include_usage": True}
        fields = {"model": model, "stream": True, "stream_options": options, "messages": [message]}
        body = json.dumps(fields, ensure_ascii=False).encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nAuthorization: Bearer {api_key}\r\n"
            f"Content-Type: application/json\r\nAccept: text/event-stream\r\nContent-Length: {len(body)}\r\n"
            + "".join(f"{line}\r\n" for line in headers)
            + "\r\n"
        )
        return head.encode() + body


@dataclass(slots=True)
class Outcome:
    """One chat. Times are `time.monotonic()`, finer than uvloop's clock; None where it did not come so far.

    `gaps_ms` are the times between texts, to a tenth of a millisecond.
    """

    sent_at: float | None = None
    first_content_at: float | None = None
    last_content_at: float | None = None
    ended_at: float | None = None
    chunks: int = 0
    events: int = 0
    gaps_ms: list[float] = field(default_factory=list, repr=False)
    error: str | None = None
    body: bytearray | None = None
    tail: bytes = field(default=b"", repr=False)
    times: list[float] | None = field(default=None, repr=False)

    def text_came(self, now: float) -> None:
        """Notes a piece of the text."""
        if self.first_content_at is None or self.last_content_at is None:
            self.first_content_at = now
        else:
            self.gaps_ms.append(round((now - self.last_content_at) * 1000, 1))
        self.last_content_at = now


class Connection(asyncio.Protocol):
    """One kept-alive connection; one chat at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._outcome = Outcome()
        self._waiter: asyncio.Future[Outcome] | None = None
        self._parser = httptools.HttpResponseParser(self)

    @property
    def usable(self) -> bool:
        """Whether another chat can be sent."""
        return self._transport is not None and not self._transport.is_closing() and self._waiter is None

    async def chat(self, request: bytes, timeout_s: float, keep_body: bool, keep_times: bool) -> Outcome:
        """Sends `request` and waits for its end; what goes wrong is the outcome's `error`, never an exception."""
        assert self._transport is not None
        outcome = self._outcome = Outcome(body=bytearray() if keep_body else None, times=[] if keep_times else None)
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(timeout_s, self._fail, "timeout")
        outcome.sent_at = time.monotonic()
        self._transport.write(request)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None
        return outcome

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection is open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes have come."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("broken HTTP")

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is closed."""
        self._fail("connection lost")

    def on_body(self, body: bytes) -> None:
        """httptools: a chunk of the answer."""
        outcome = self._outcome
        if outcome.chunks == 0 and self._parser.get_status_code() != 200:
            outcome.body = bytearray()  # an error's sentence is always worth keeping
        outcome.chunks += 1
        if outcome.body is not None:
            outcome.body += body
        outcome.events += body.count(_EVENT)
        if _TEXT.search(outcome.tail + body if outcome.first_content_at is None else body):
            outcome.text_came(time.monotonic())
        if outcome.times is not None:
            outcome.times.append(time.monotonic())
        if outcome.error is None and _FAILED in body:
            outcome.error = "error in the stream"
        outcome.tail = body[-64:]

    def on_message_complete(self) -> None:
        """httptools: the answer has ended."""
        outcome = self._outcome
        status = self._parser.get_status_code()
        if status != 200:
            outcome.error = f"HTTP {status}"
        elif outcome.error is None and _DONE not in outcome.tail:
            outcome.error = "ended without [DONE]"
        keep = self._parser.should_keep_alive()
        self._parser = httptools.HttpResponseParser(self)
        self._end()
        if not keep:
            self.close()

    def close(self) -> None:
        """Closes the connection."""
        if self._transport is not None:
            self._transport.close()

    def _fail(self, error: str) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._outcome.error = error
            self._end()
            self.close()

    def _end(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._outcome.ended_at = time.monotonic()
            self._waiter.set_result(self._outcome)


class Client:
    """Chats with one target over as many connections as there are chats at once."""

    def __init__(self, target: Target, timeout_s: float) -> None:
        self._target = target
        self._timeout_s = timeout_s
        self._idle: list[Connection] = []

    async def chat(self, request: bytes, keep_body: bool = False, keep_times: bool = False) -> Outcome:
        """Sends one request on an idle connection, or a new one; keeps the answer, or when its chunks came."""
        connection = self._idle.pop() if self._idle else None
        if connection is None or not connection.usable:
            loop = asyncio.get_running_loop()
            try:
                _, connection = await loop.create_connection(Connection, self._target.host, self._target.port)
            except OSError as error:
                return Outcome(error=f"cannot connect ({error.strerror})", ended_at=time.monotonic())
        outcome = await connection.chat(request, self._timeout_s, keep_body, keep_times)
        if connection.usable:
            self._idle.append(connection)
        return outcome

    def close(self) -> None:
        """Closes the idle connections."""
        while self._idle:
            self._idle.pop().close()
