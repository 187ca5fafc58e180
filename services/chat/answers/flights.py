"""One call of the model for everybody who asks the same at the same time. Pure.

The call is held open by a task of its own, so that whoever asked first may leave. What arrives stays with the transport
until one of those who listen takes it, for all of them: the slowest holds nobody up.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from services.chat.answer_stream import AnswerStream
from services.chat.answers.domain import Call
from services.chat.domain import Chunk


class Flight:
    """A call that several may listen to; it is made when the first of them begins to."""

    def __init__(self, call: Call) -> None:
        """Prepare the call."""
        self.joined = 0
        self.error: Exception | None = None
        self.ended = False
        self.chunks: list[Chunk] = []
        self._call = call
        self._stream: AnswerStream | None = None
        self._given_up = False
        self._aboard = 0
        # Set for good when the first chunk is there, or the end.
        self._begun = asyncio.Event()
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nobody is aboard."""
        return not self._aboard

    @property
    def failed(self) -> bool:
        """Whether the call ended with an error, or is being given up."""
        return self.error is not None or self._given_up

    @asynccontextmanager
    async def board(self) -> AsyncIterator[None]:
        """Keep the call alive; it is cancelled when the last one leaves."""
        self._aboard += 1
        try:
            yield
        finally:
            self._aboard -= 1
            if not self._aboard and self._task is not None:
                self._given_up = not self._over.is_set()
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)

    @asynccontextmanager
    async def listen(self, *, pays_losses: bool) -> AsyncIterator[AnswerStream]:
        """The answer from its beginning on; calls that were lost on the way are told to one listener alone."""
        if self._task is None:
            self._task = asyncio.create_task(self._fly())
        yield _Listener(self, pays_losses=pays_losses)

    def pull(self) -> None:
        """Take in what has arrived."""
        if self._stream is None or self._over.is_set():
            return
        try:
            if (chunk := self._stream.take()) is not None:
                self.chunks.append(chunk)
        except Exception as error:  # noqa: BLE001  # raised by everyone who listens
            self._end(error)
        else:
            if self._stream.ended:
                self._end()

    async def arrived(self) -> None:
        """Wait until more has arrived than was taken in, or the end."""
        await self._begun.wait()
        if self._stream is not None and not self._over.is_set():
            await self._stream.arrived()

    def when_whole(self, tell: Callable[[], None]) -> None:
        """Call this once all of it has arrived."""
        if self._stream is not None:
            self._stream.when_whole(tell)

    async def _fly(self) -> None:
        try:
            async with self._call() as stream:
                self._stream = stream
                await stream.arrived()
                self._begun.set()
                await self._over.wait()
        except Exception as error:  # noqa: BLE001  # raised by everyone who listens
            self._end(error)
        finally:
            self._end()

    def _end(self, error: Exception | None = None) -> None:
        if not self._over.is_set():
            self.error, self.ended = error, error is None
            self._begun.set()
            self._over.set()


class _Listener(AnswerStream):
    """One of those who listen."""

    def __init__(self, flight: Flight, *, pays_losses: bool) -> None:
        self._flight = flight
        self._pays_losses = pays_losses
        self._heard = 0

    @property
    def ended(self) -> bool:
        return self._flight.ended and self._heard == len(self._flight.chunks)

    def take(self) -> Chunk | None:
        flight = self._flight
        if self._heard == len(flight.chunks):
            flight.pull()
        if self._heard < len(flight.chunks):
            chunk = merged(flight.chunks[self._heard :])
            self._heard = len(flight.chunks)
            return chunk if self._pays_losses else replace(chunk, lost_calls=0)
        if flight.error is not None:
            raise flight.error
        return None

    def when_whole(self, tell: Callable[[], None]) -> None:
        self._flight.when_whole(tell)

    async def arrived(self) -> None:
        if self._heard == len(self._flight.chunks):
            await self._flight.arrived()


def merged(chunks: list[Chunk]) -> Chunk:
    """Several chunks as one."""
    if len(chunks) == 1:
        return chunks[0]
    return Chunk(
        pieces=tuple(piece for chunk in chunks for piece in chunk.pieces),
        finish_reason=next((chunk.finish_reason for chunk in reversed(chunks) if chunk.finish_reason), None),
        # Figures that came before more text are not those of the whole answer.
        usage=next((chunk.usage for chunk in reversed(chunks) if chunk.usage or chunk.pieces), None),
        lost_calls=sum(chunk.lost_calls for chunk in chunks),
        logprobs=tuple(token for chunk in chunks for token in chunk.logprobs),
    )
