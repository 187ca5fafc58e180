"""The chat service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from queqiao.chat.v1 import chat_pb2, chat_pb2_grpc

from services.gateway.chat import convert
from services.gateway.chat.domain import Question, Started
from services.gateway.chat.followed import broke_off
from services.gateway.chat.lines import Lines
from services.gateway.chat.turn_events import TurnEvents
from services.gateway.health.client import demand_serving
from services.gateway.identity.domain import Principal
from services.gateway.models.domain import Model
from services.runtime.channels import Peer
from services.runtime.trace import ItemSpans, Telemetry

_SERVICE = "queqiao.chat.v1.ChatService"
_TIMEOUT_S = 5.0


class ChatClient:
    """Asks the chat service."""

    def __init__(self, peer: Peer, telemetry: Telemetry, *, turn_timeout_s: float, tenant: str) -> None:
        """Use this peer; a turn may take so long, and shares answers with those of its tenant."""
        self._peer = peer
        self._stub: chat_pb2_grpc.ChatServiceAsyncStub = chat_pb2_grpc.ChatServiceStub(peer.channel)
        self._lines = Lines(peer, self._stub.Exchange, ItemSpans(telemetry, _SERVICE))
        self._turn_timeout_s = turn_timeout_s
        self._tenant = tenant

    @asynccontextmanager
    async def turn(
        self, request_id: str, principal: Principal, question: Question
    ) -> AsyncIterator[tuple[Started, TurnEvents]]:
        """Begin a turn or join it; answers how it started, once it was admitted, and what follows.

        That is any `Delta`s, `Started` again when another model takes over, then `Completed`. Leaving the context tells
        the chat service that nobody listens here any more.

        Raises:
            ServiceError: As chat.proto documents, or UnavailableError or TurnTimeoutError; from here when the turn
                is not admitted, from the iterator when it breaks off.
        """
        request = convert.turn_request(request_id, principal, question, self._tenant)
        async with self._lines.follow(request, timeout_s=self._turn_timeout_s) as events:
            yield await _started(events), events

    @asynccontextmanager
    async def resumed(self, user_id: str, request_id: str, after: int) -> AsyncIterator[tuple[Started, TurnEvents]]:
        """Go on with a turn after a position; answers as `turn` does.

        Raises:
            ServiceError: As `turn`; TURN_NOT_FOUND.
        """
        request = chat_pb2.ResumeTurnRequest(user_id=user_id, request_id=request_id, after=after)
        async with self._lines.follow(request, timeout_s=self._turn_timeout_s) as events:
            yield await _started(events), events

    async def stop(self, user_id: str, request_id: str) -> bool:
        """Stop a turn; answers whether it was running.

        Raises:
            ServiceError: TURN_NOT_FOUND, or UnavailableError.
        """
        request = chat_pb2.CancelTurnRequest(user_id=user_id, request_id=request_id)
        response = await self._peer.unary(self._stub.CancelTurn, request, timeout_s=_TIMEOUT_S)
        return bool(response.running)

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

    async def close(self) -> None:
        """Follow no turn any more."""
        await self._lines.close()


async def _started(events: TurnEvents) -> Started:
    started = await anext(events, None)
    if not isinstance(started, Started):
        raise broke_off()
    return started
