"""The chat service."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from queqiao.chat.v1 import chat_pb2, chat_pb2_grpc

from services.gateway.clients.health import demand_serving
from services.gateway.convert import chat as convert
from services.gateway.domain import Asker, Completed, Event, Model, Question, Started
from services.gateway.errors import TurnTimeoutError
from services.runtime.channels import Peer
from services.runtime.errors import Code, ServiceError, UnavailableError

_TIMEOUT_S = 5.0


class ChatClient:
    """Asks the chat service."""

    def __init__(self, peer: Peer, *, turn_timeout_s: float) -> None:
        """Use this peer; a turn may take so long."""
        self._peer = peer
        self._stub = chat_pb2_grpc.ChatServiceStub(peer.channel)
        self._turn_timeout_s = turn_timeout_s

    @asynccontextmanager
    async def turn(
        self, request_id: str, asker: Asker, question: Question
    ) -> AsyncIterator[tuple[Started, AsyncIterator[Event]]]:
        """Begin a turn; answers how it started, once it was admitted, and what follows: `Delta`s, then `Completed`.

        Leaving the context cancels what still runs.

        Raises:
            ServiceError: As chat.proto documents, or UnavailableError or TurnTimeoutError; from here when the turn
                is not admitted, from the iterator when it breaks off.
        """
        async with aclosing(self._events(convert.turn_request(request_id, asker, question))) as events:
            started = await anext(events, None)
            if not isinstance(started, Started):
                raise _broke_off()
            yield started, events

    async def _events(self, request: chat_pb2.StreamTurnRequest) -> AsyncGenerator[Event]:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._turn_timeout_s
        call = self._peer.stream(self._stub.StreamTurn, request, timeout_s=self._turn_timeout_s)
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


def _broke_off() -> UnavailableError:
    return UnavailableError("The chat service broke off.", metadata={"service": "chat"}, retry_after_s=1)
