"""The chat service."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from queqiao.chat.v1 import chat_pb2, chat_pb2_grpc

from services.gateway.chat import convert
from services.gateway.chat.domain import Completed, Event, Question, Started
from services.gateway.errors import TurnTimeoutError
from services.gateway.health.client import demand_serving
from services.gateway.identity.domain import Principal
from services.gateway.models.domain import Model
from services.runtime.channels import Peer
from services.runtime.errors import Code, ServiceError, UnavailableError

_TIMEOUT_S = 5.0


class ChatClient:
    """Asks the chat service."""

    def __init__(self, peer: Peer, *, turn_timeout_s: float, tenant: str) -> None:
        """Use this peer; a turn may take so long, and shares answers with those of its tenant."""
        self._peer = peer
        self._stub = chat_pb2_grpc.ChatServiceStub(peer.channel)
        self._turn_timeout_s = turn_timeout_s
        self._tenant = tenant

    @asynccontextmanager
    async def turn(
        self, request_id: str, principal: Principal, question: Question
    ) -> AsyncIterator[tuple[Started, AsyncIterator[Event]]]:
        """Begin a turn or join it; answers how it started, once it was admitted, and what follows.

        That is any `Delta`s, `Started` again when another model takes over, then `Completed`. Leaving the context tells
        the chat service that nobody listens here any more.

        Raises:
            ServiceError: As chat.proto documents, or UnavailableError or TurnTimeoutError; from here when the turn
                is not admitted, from the iterator when it breaks off.
        """
        request = convert.turn_request(request_id, principal, question, self._tenant)
        call = self._peer.stream(self._stub.StreamTurn, request, timeout_s=self._turn_timeout_s)
        async with aclosing(self._events(call)) as events:
            yield await _started(events), events

    @asynccontextmanager
    async def resumed(
        self, user_id: str, request_id: str, after: int
    ) -> AsyncIterator[tuple[Started, AsyncIterator[Event]]]:
        """Go on with a turn after a position; answers as `turn` does.

        Raises:
            ServiceError: As `turn`; TURN_NOT_FOUND.
        """
        request = chat_pb2.ResumeTurnRequest(user_id=user_id, request_id=request_id, after=after)
        call = self._peer.stream(self._stub.ResumeTurn, request, timeout_s=self._turn_timeout_s)
        async with aclosing(self._events(_unwrapped(call))) as events:
            yield await _started(events), events

    async def stop(self, user_id: str, request_id: str) -> bool:
        """Stop a turn; answers whether it was running.

        Raises:
            ServiceError: TURN_NOT_FOUND, or UnavailableError.
        """
        request = chat_pb2.CancelTurnRequest(user_id=user_id, request_id=request_id)
        response = await self._peer.unary(self._stub.CancelTurn, request, timeout_s=_TIMEOUT_S)
        return bool(response.running)

    async def _events(self, call: AsyncGenerator[chat_pb2.StreamTurnResponse]) -> AsyncGenerator[Event]:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._turn_timeout_s
        event: Event | None = None
        async with aclosing(call) as responses:
            try:
                async for response in responses:
                    event = convert.event(response)
                    if event is not None:
                        yield event
            except ServiceError as error:
                if error.wire_code is Code.UNAVAILABLE and clock() >= deadline:
                    raise TurnTimeoutError("The turn took too long; ask for less, or ask again.") from None
                raise
        if not isinstance(event, Completed):
            raise _broke_off()

    async def list_models(self) -> list[Model]:
        """The models that can be asked, the default first.

        Raises:
            ServiceError: As chat.proto documents, or UnavailableError.
        """
        response = await self._peer.unary(self._stub.ListModels, chat_pb2.ListModelsRequest(), timeout_s=_TIMEOUT_S)
        return [convert.model(model) for model in response.models]

    async def check(self) -> None:
        """Ask the service whether it serves."""
        await demand_serving(self._peer)


async def _started(events: AsyncGenerator[Event]) -> Started:
    started = await anext(events, None)
    if not isinstance(started, Started):
        raise _broke_off()
    return started


async def _unwrapped(
    call: AsyncGenerator[chat_pb2.ResumeTurnResponse],
) -> AsyncGenerator[chat_pb2.StreamTurnResponse]:
    async with aclosing(call) as responses:
        async for response in responses:
            yield response.event


def _broke_off() -> UnavailableError:
    return UnavailableError("The chat service broke off.", metadata={"service": "chat"}, retry_after_s=1)
