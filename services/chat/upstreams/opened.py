"""An answer that has begun."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType

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
                chunks = await stack.enter_async_context(key.client.answer(model, prompt, options))
                first = await anext(chunks)
        except TimeoutError:
            raise broken_off(Kind.TIMEOUT) from None
        except StopAsyncIteration:
            raise broken_off(Kind.BROKEN) from None
        permit.answered()
        return Opened(permit, first, chunks, stack.pop_all())


class Opened:
    """An answer of which the first piece is there; its context must be left."""

    def __init__(self, permit: Permit, first: Chunk, rest: AsyncGenerator[Chunk], stack: AsyncExitStack) -> None:
        """Go on with `rest`; `stack` closes the call."""
        self._permit = permit
        self._first = first
        self._rest = rest
        self._stack = stack
        self._finished = first.finish_reason is not None
        # Other calls for the same answer that were given up.
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

    async def chunks(self) -> AsyncGenerator[Chunk]:
        """The whole answer.

        Raises:
            ServiceError: It broke off.
        """
        yield replace(self._first, lost_calls=self.lost_calls) if self.lost_calls else self._first
        try:
            async for chunk in self._rest:
                self._finished = self._finished or chunk.finish_reason is not None
                yield chunk
        except CallFailedError as failure:
            self._permit.failed(failure)
            raise failure.error from None
        self._permit.succeeded()
