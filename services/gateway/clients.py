"""The chat and billing services, over gRPC."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc
from queqiao.billing.v1 import billing_pb2, billing_pb2_grpc
from queqiao.chat.v1 import chat_pb2, chat_pb2_grpc

from services.gateway import convert
from services.gateway.domain import Completed, Event, Model, Question, Started, Wallet
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
        self, request_id: str, user_id: str, question: Question
    ) -> AsyncIterator[tuple[Started, AsyncIterator[Event]]]:
        """Begin a turn; answers how it started, once it was admitted, and what follows: `Delta`s, then `Completed`.

        Leaving the context cancels what still runs.

        Raises:
            ServiceError: As chat.proto documents, or UnavailableError or TurnTimeoutError; from here when the turn
                is not admitted, from the iterator when it breaks off.
        """
        async with aclosing(self._events(convert.turn_request(request_id, user_id, question))) as events:
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
        await _check(self._peer)


class BillingClient:
    """Asks the billing service."""

    def __init__(self, peer: Peer) -> None:
        """Use this peer."""
        self._peer = peer
        self._stub = billing_pb2_grpc.BillingServiceStub(peer.channel)

    async def open(self, user_id: str) -> None:
        """Open the user's wallet with its trial credit, unless it is open.

        Raises:
            ServiceError: As billing.proto documents, or UnavailableError.
        """
        request = billing_pb2.OpenWalletRequest(user_id=user_id)
        await self._peer.unary(self._stub.OpenWallet, request, timeout_s=_TIMEOUT_S)

    async def wallet(self, user_id: str) -> Wallet:
        """The user's wallet; an empty one for a user who has none yet.

        Raises:
            ServiceError: As billing.proto documents, or UnavailableError.
        """
        request = billing_pb2.GetWalletRequest(user_id=user_id)
        try:
            response = await self._peer.unary(self._stub.GetWallet, request, timeout_s=_TIMEOUT_S)
        except ServiceError as error:
            if error.wire_reason == "WALLET_NOT_FOUND":
                return Wallet()
            raise
        return convert.wallet(response.wallet)

    async def check(self) -> None:
        """Ask the service whether it serves."""
        await _check(self._peer)


def _broke_off() -> UnavailableError:
    return UnavailableError("The chat service broke off.", metadata={"service": "chat"}, retry_after_s=1)


async def _check(peer: Peer) -> None:
    # The stub's types know its methods only on a synchronous channel.
    stub: Any = health_pb2_grpc.HealthStub(peer.channel)
    answer = await peer.unary(stub.Check, health_pb2.HealthCheckRequest(), timeout_s=_TIMEOUT_S)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise UnavailableError(f"The {peer.name} service is not serving.", metadata={"service": peer.name})
