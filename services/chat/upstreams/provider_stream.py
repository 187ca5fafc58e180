"""A provider's answer, read from its connection when somebody looks."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

import aiohttp
import msgspec
from opentelemetry import trace

from services.chat.answer_stream import AnswerStream
from services.chat.domain import Chunk
from services.chat.upstreams.failures import Kind, broken_off
from services.chat.upstreams.sse import StreamError, StreamReader


class ProviderStream(AnswerStream):
    """The transport gathers bytes; they are parsed when they are taken, all that have come at once.

    So an event of the provider costs no wake-up, no task and no parser of its own.
    """

    def __init__(self, response: aiohttp.ClientResponse, span: trace.Span, *, silence_s: float) -> None:
        """Read this body, in which nothing may be silent for longer; the span is told how the answer ends."""
        self._content = response.content
        self._span = span
        self._silence_s = silence_s
        self._clock = asyncio.get_running_loop().time
        self._heard_at = self._clock()
        if response.connection is not None and response.connection.protocol is not None:
            # aiohttp would set a timer anew at each event, which costs as much as reading it.
            response.connection.protocol.read_timeout = None
        self._reader = StreamReader()
        # Parsed by `arrived`, and not taken yet.
        self._next: Chunk | None = None
        self._finished = self._over = False

    @property
    def ended(self) -> bool:
        """Whether everything was taken, and nothing will follow."""
        return self._over and self._next is None

    def take(self) -> Chunk | None:
        """Everything that has arrived.

        Raises:
            CallFailedError: It broke off.
        """
        if self._next is None and not self._over:
            with translated():
                data = self._received()
                self._demand_heard(data)
                self._parse(data)
        chunk, self._next = self._next, None
        return chunk

    async def arrived(self) -> None:
        """Wait until there is something to take, or the end.

        Raises:
            CallFailedError: It broke off before.
        """
        with translated():
            while self._next is None and not self._over:
                try:
                    async with asyncio.timeout(self._silence_s):
                        data = await self._content.readany()
                except TimeoutError:
                    raise broken_off(Kind.TIMEOUT) from None
                self._heard_at = self._clock()
                self._parse(data)

    def when_whole(self, tell: Callable[[], None]) -> None:
        """Call this at the end of the response."""
        self._content.on_eof(tell)

    def _received(self) -> bytes:
        """What the transport has gathered; when the connection has failed, what came before that is given first."""
        # `read_nowait` would drop it.
        data = self._content._read_nowait(-1)  # noqa: SLF001  # aiohttp has no other way to what came before an error
        failure = self._content.exception()
        if failure is not None and not data:
            raise failure
        return data

    def _demand_heard(self, data: bytes) -> None:
        now = self._clock()
        if data or self._content.at_eof():
            self._heard_at = now
        elif now - self._heard_at > self._silence_s:
            raise broken_off(Kind.TIMEOUT)

    def _parse(self, data: bytes) -> None:
        reader = self._reader
        if data:
            self._next = reader.feed(data)
            if self._next is not None:
                self._describe(self._next)
        else:
            reader.demand_sound()
        if reader.done:
            self._over = True
        elif self._next is None and self._content.at_eof():
            if not self._finished:
                raise broken_off(Kind.BROKEN)
            self._over = True

    def _describe(self, chunk: Chunk) -> None:
        if chunk.finish_reason:
            self._finished = True
            self._span.set_attribute("gen_ai.response.finish_reasons", [chunk.finish_reason.value])
        if chunk.usage:
            self._span.set_attribute("gen_ai.usage.input_tokens", chunk.usage.input)
            self._span.set_attribute("gen_ai.usage.output_tokens", chunk.usage.output)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """What fails below HTTP, or cannot be read, as ours.

    Raises:
        CallFailedError: Instead of it.
    """
    try:
        yield
    except aiohttp.SocketTimeoutError:
        raise broken_off(Kind.TIMEOUT) from None
    except aiohttp.ClientError:
        raise broken_off(Kind.CONNECTION) from None
    except (StreamError, msgspec.MsgspecError, UnicodeDecodeError):
        raise broken_off(Kind.BROKEN) from None
