"""Lines to the chat service: long calls, each of which carries many turns.

What a turn costs on the wire is its share of a message. A line takes new turns for a while only, so that those of a
gateway are spread over all replicas behind it, and replicas that are new get their share. When a line breaks, each of
its turns goes on over another one, where it was.
"""

import asyncio
import contextvars
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeAlias

import grpc
import structlog
from queqiao.chat.v1 import chat_pb2

from services.gateway.chat.followed import Followed
from services.gateway.chat.turn_events import TurnEvents
from services.runtime.channels import Peer
from services.runtime.errors import InvalidRequestError, ServiceError, UnavailableError
from services.runtime.status import from_rpc_error
from services.runtime.trace import ItemSpans, current_traceparent, end_span, traceparent_of

# How many turns a line carries at once, and how long it takes new ones.
_TURNS_MAX = 64
_YOUNG_S = 30.0

# How much of what waits goes into one request, and the most that a question may have: messages may have 8 MiB.
_REQUEST_BYTES = 1024 * 1024
_QUESTION_BYTES_MAX = 8 * 1024 * 1024 - 64 * 1024

# In quotes: only the stubs know this class as generic.
Rpc: TypeAlias = "grpc.aio.StreamStreamMultiCallable[chat_pb2.ExchangeRequest, chat_pb2.ExchangeResponse]"


log = structlog.get_logger()


class Lines:
    """As many lines as the turns need."""

    def __init__(
        self,
        peer: Peer,
        rpc: Rpc,
        spans: ItemSpans,
        *,
        turns_max: int = _TURNS_MAX,
        young_s: float = _YOUNG_S,
    ) -> None:
        """Call this peer; a line carries so many turns at once and takes new ones for so long."""
        self._peer = peer
        self._rpc = rpc
        self._spans = spans
        self._turns_max = turns_max
        self._young_s = young_s
        self._lines: set[_Line] = set()
        self._newest: _Line | None = None
        # Turns whose line broke, until they ask again.
        self._asking_again: dict[Followed, asyncio.TimerHandle] = {}

    @asynccontextmanager
    async def follow(
        self, request: chat_pb2.StreamTurnRequest | chat_pb2.ResumeTurnRequest, *, timeout_s: float
    ) -> AsyncIterator[TurnEvents]:
        """Ask for a turn; leaving the context tells the chat service that nobody listens here any more.

        Raises:
            InvalidRequestError: The question is too long for any message.
        """
        if request.ByteSize() > _QUESTION_BYTES_MAX:
            raise InvalidRequestError("The messages are too long: send less.", fields={"messages": "are too long"})
        loop = asyncio.get_running_loop()
        span = self._spans.call("StreamTurn" if isinstance(request, chat_pb2.StreamTurnRequest) else "ResumeTurn")
        traceparent = current_traceparent() if span is None else traceparent_of(span)
        followed = Followed(request, traceparent=traceparent, deadline=loop.time() + timeout_s)
        late = loop.call_at(followed.deadline, self._expire, followed)
        self._ask(followed)
        try:
            yield followed.events
        finally:
            late.cancel()
            self._leave(followed)
            if span is not None:
                end_span(span, followed.events.error)

    async def close(self) -> None:
        """Break all lines."""
        for line in tuple(self._lines):
            await line.close()

    def _ask(self, followed: Followed) -> None:
        self._asking_again.pop(followed, None)
        line = self._newest
        if line is None or not line.takes(self._turns_max, self._young_s):
            if line is not None:
                line.retire()
            line = self._newest = _Line(self._peer.name, self._rpc, self._lost, self._lines.discard)
            self._lines.add(line)
        line.carry(followed)

    def _lost(self, followed: Followed, error: ServiceError) -> None:
        loop = asyncio.get_running_loop()
        delay_s = followed.retry_s(error, loop.time())
        if delay_s is not None:
            self._asking_again[followed] = loop.call_later(delay_s, self._ask, followed)

    def _expire(self, followed: Followed) -> None:
        followed.expire()
        self._leave(followed)

    def _leave(self, followed: Followed) -> None:
        if (again := self._asking_again.pop(followed, None)) is not None:
            again.cancel()
        for line in self._lines:
            line.leave(followed)


class _Line:
    """One call, from when it is opened until it broke, or is too old and carries nothing any more."""

    def __init__(
        self,
        peer: str,
        rpc: Rpc,
        lost: Callable[[Followed, ServiceError], None],
        over: "Callable[[_Line], None]",
    ) -> None:
        self._peer = peer
        self._rpc = rpc
        self._lost = lost
        self._clock = asyncio.get_running_loop().time
        self._opened_at = self._clock()
        self._open = True
        self._numbers = itertools.count(1)
        self._turns: dict[int, Followed] = {}
        self._carried: dict[Followed, int] = {}
        self._unsaid: list[chat_pb2.TurnCall] = []
        self._work = asyncio.Event()
        # In a context of its own: the line outlives the turn that opens it, and belongs to no trace.
        self._task = asyncio.get_running_loop().create_task(self._run(), context=contextvars.Context())
        self._task.add_done_callback(lambda _: over(self))

    def takes(self, turns_max: int, young_s: float) -> bool:
        """Whether it may carry another turn."""
        return self._open and len(self._turns) < turns_max and self._clock() - self._opened_at < young_s

    def carry(self, followed: Followed) -> None:
        """Ask for a turn."""
        number = next(self._numbers)
        self._turns[number] = followed
        self._carried[followed] = number
        followed.acknowledge = partial(self._acknowledge, number)
        self._say(followed.asking(number, self._clock()))

    def leave(self, followed: Followed) -> None:
        """Nobody follows the turn here any more, if it was carried here."""
        if (number := self._carried.get(followed)) is not None:
            self._forget(number)
            self._say(chat_pb2.TurnCall(call=number, leave=True))

    def retire(self) -> None:
        """Take no new turns."""
        self._open = False
        self._work.set()

    async def close(self) -> None:
        """Break."""
        self._task.cancel()
        await asyncio.wait({self._task})

    def _acknowledge(self, number: int, position: int) -> None:
        if number in self._turns:
            self._say(chat_pb2.TurnCall(call=number, acknowledged=position))

    def _say(self, item: chat_pb2.TurnCall) -> None:
        self._unsaid.append(item)
        self._work.set()

    def _forget(self, number: int) -> Followed:
        followed = self._turns.pop(number)
        del self._carried[followed]
        if not self._turns:
            self._work.set()
        return followed

    async def _run(self) -> None:
        error: ServiceError = UnavailableError(f"The {self._peer} service ended the call; try again.", retry_after_s=1)
        call: Any = None
        saying: asyncio.Task[None] | None = None
        try:
            call = self._rpc()
            saying = asyncio.create_task(self._write(call))
            while (response := await call.read()) is not grpc.aio.EOF:
                self._heed(response)
        except grpc.aio.AioRpcError as raised:
            error = from_rpc_error(raised, self._peer)
        except Exception as raised:
            log.exception("line broke unexpectedly", error=type(raised).__name__)
        finally:
            self._open = False
            if saying is not None:
                saying.cancel()
                call.cancel()
        for number in tuple(self._turns):
            self._lost(self._forget(number), error)

    async def _write(self, call: Any) -> None:
        """Say what is to be said, all that came at one moment at once; a call that broke is noticed by its reader."""
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while True:
                await self._work.wait()
                self._work.clear()
                while self._unsaid:
                    await call.write(chat_pb2.ExchangeRequest(calls=self._some()))
                if not self._open and not self._turns:
                    await call.done_writing()
                    return

    def _some(self) -> list[chat_pb2.TurnCall]:
        """As much of what is to be said as a request may have."""
        size = count = 0
        for item in self._unsaid:
            size += item.ByteSize()
            if count and size > _REQUEST_BYTES:
                break
            count += 1
        some = self._unsaid[:count]
        del self._unsaid[:count]
        return some

    def _heed(self, response: chat_pb2.ExchangeResponse) -> None:
        if response.draining:
            self.retire()
        now = self._clock()
        for frame in response.frames:
            if (followed := self._turns.get(frame.call)) is None:
                # Left meanwhile.
                continue
            if frame.ended:
                self._forget(frame.call)
            if frame.not_taken:
                self._lost(followed, UnavailableError("The chat service stops; try again.", retry_after_s=1))
            else:
                followed.heed(frame, now)
