"""One call of the model for everybody who asks the same at the same time. Pure.

The call is made by a task of its own, so that whoever asked first may leave. It reads when somebody wants more: the
slowest of those who listen holds nobody up, and what arrives while nobody looks stays with the transport.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from services.chat.answers.domain import Call
from services.chat.domain import Chunk


class Flight:
    """A call that several may listen to; it is made when the first of them begins to."""

    def __init__(self, call: Call) -> None:
        """Prepare the call."""
        self.joined = 0
        self._call = call
        self._chunks: list[Chunk] = []
        self._error: Exception | None = None
        self._ended = self._given_up = False
        self._aboard = 0
        self._wanted = asyncio.Event()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nobody is aboard."""
        return not self._aboard

    @property
    def failed(self) -> bool:
        """Whether the call ended with an error, or is being given up."""
        return self._error is not None or self._given_up

    @asynccontextmanager
    async def board(self) -> AsyncIterator[None]:
        """Keep the call alive; it is cancelled when the last one leaves."""
        self._aboard += 1
        try:
            yield
        finally:
            self._aboard -= 1
            if not self._aboard and self._task is not None:
                self._given_up = not self._task.done()
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)

    @asynccontextmanager
    async def listen(self, *, pays_losses: bool) -> AsyncIterator[AsyncGenerator[Chunk]]:
        """The chunks from the first one on; calls that were lost on the way are told to one listener alone."""
        if self._task is None:
            self._task = asyncio.create_task(self._fly())
        async with aclosing(self._heard(pays_losses=pays_losses)) as chunks:
            yield chunks

    async def _heard(self, *, pays_losses: bool) -> AsyncGenerator[Chunk]:
        heard = 0
        while True:
            if heard < len(self._chunks):
                chunk = merged(self._chunks[heard:])
                heard = len(self._chunks)
                yield chunk if pays_losses else replace(chunk, lost_calls=0)
            elif self._error is not None:
                raise self._error
            elif self._ended:
                return
            else:
                self._wanted.set()
                await self._news.wait()

    async def _fly(self) -> None:
        try:
            async with self._call() as chunks, aclosing(chunks):
                while True:
                    await self._wanted.wait()
                    self._wanted.clear()
                    chunk = await anext(chunks, None)
                    if chunk is None:
                        break
                    self._chunks.append(chunk)
                    self._tell()
        except Exception as error:  # noqa: BLE001  # raised by everyone who listens
            self._error = error
        finally:
            self._ended = True
            self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


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
    )
