"""An answer that has begun."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType

from services.chat.answer_stream import AnswerStream
from services.chat.domain import Chunk, Message, Model, Options
from services.chat.upstreams.accounts import Permit
from services.chat.upstreams.failures import CallFailedError, Kind, broken_off


async def open_answer(permit: Permit, model: Model, prompt: Sequence[Message], options: Options) -> "Opened":
    """Ask, and wait for the first piece.

    Raises:
        CallFailedError: None came, in time or at all.
    """
    key = permit.key
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(key.provider.settings.first_token_timeout_s):
                stream = await stack.enter_async_context(key.client.answer(model, prompt, options))
                await stream.arrived()
        except TimeoutError:
            raise broken_off(Kind.TIMEOUT) from None
        if stream.ended:
            raise broken_off(Kind.BROKEN)
        permit.answered()
        return Opened(permit, stream, stack.pop_all())


class Opened(AnswerStream):
    """An answer of which the first piece is there; its context must be left."""

    def __init__(self, permit: Permit, stream: AnswerStream, stack: AsyncExitStack) -> None:
        """Go on with `stream`; `stack` closes the call."""
        self._permit = permit
        self._stream = stream
        self._stack = stack
        self._finished = False
        # Other calls for the same answer that were given up; told with the first chunk.
        self.lost_calls = 0

    async def __aenter__(self) -> "Opened":
        """Use it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel what is still generated."""
        if self._finished:
            self._permit.succeeded()
        self._permit.abandoned("cancelled")
        await self._stack.__aexit__(kind, error, trace)

    async def discard(self) -> None:
        """Another was faster."""
        self._permit.abandoned("outrun")
        await self._stack.aclose()

    @property
    def ended(self) -> bool:
        """Whether everything was taken, and nothing will follow."""
        return self._stream.ended

    def take(self) -> Chunk | None:
        """Everything that has arrived.

        Raises:
            ServiceError: It broke off.
        """
        try:
            chunk = self._stream.take()
        except CallFailedError as failure:
            self._permit.failed(failure)
            raise failure.error from None
        if self._stream.ended:
            self._permit.succeeded()
        if chunk is None:
            return None
        self._finished = self._finished or chunk.finish_reason is not None
        if self.lost_calls:
            chunk, self.lost_calls = replace(chunk, lost_calls=self.lost_calls), 0
        return chunk

    def when_whole(self, tell: Callable[[], None]) -> None:
        """Call this once all of it has arrived."""
        self._stream.when_whole(tell)

    async def arrived(self) -> None:
        """Wait for more.

        Raises:
            ServiceError: It broke off before.
        """
        try:
            await self._stream.arrived()
        except CallFailedError as failure:
            self._permit.failed(failure)
            raise failure.error from None
