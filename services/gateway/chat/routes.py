"""`/v1/chat/completions`: one HTTP request becomes one turn."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from starlette.datastructures import Headers
from starlette.types import Receive, Send
from starlette.types import Scope as Request

from services.gateway.admission.gate import Admitted, Gate
from services.gateway.admission.scheduler import OnPosition, TurnScheduler
from services.gateway.chat.client import ChatClient
from services.gateway.chat.client_stream import ClientStream
from services.gateway.chat.completions import Completion
from services.gateway.chat.domain import Event, Started
from services.gateway.chat.relay import Relay, Turn
from services.gateway.chat.requests import ChatBody, ChatRequest, chat_request, idempotency_key
from services.gateway.edge import body
from services.gateway.edge.operations import IDEMPOTENCY_KEY, Operation, Parameter
from services.gateway.identity.domain import Scope
from services.gateway.identity.ids import turn_id
from services.gateway.identity.principals import Principals
from services.gateway.models.names import ModelNames
from services.gateway.policy.view import View, Views
from services.runtime.errors import ServiceError

# What a turn can end with, at once or as an event of its stream.
TURN_ERRORS = (
    "INSUFFICIENT_QUOTA",
    "CONTENT_REFUSED",
    "CONTEXT_TOO_LONG",
    "MODEL_NOT_FOUND",
    "MESSAGE_NOT_FOUND",
    "REQUEST_CONFLICT",
    "TOO_MANY_TURNS",
    "QUEUE_FULL",
    "UPSTREAM_ERROR",
    "UPSTREAM_BUSY",
    "UPSTREAM_TIMEOUT",
    "MODERATION_UNAVAILABLE",
)
_CACHE_CONTROL = Parameter(
    "Cache-Control",
    "header",
    "`no-store` neither takes an answer from the cache nor leaves one there; `no-cache` asks the model and renews.",
)


class ChatCompletions:
    """An ASGI application of its own: it writes while the turn runs, and hears when the client leaves."""

    def __init__(
        self,
        gate: Gate,
        scheduler: TurnScheduler,
        principals: Principals,
        views: Views,
        models: ModelNames,
        chat: ChatClient,
        relay: Relay,
        *,
        body_bytes_max: int,
        heartbeat_s: float,
    ) -> None:
        """Use these."""
        self._gate = gate
        self._scheduler = scheduler
        self._principals = principals
        self._views = views
        self._models = models
        self._chat = chat
        self._relay = relay
        self._body_bytes_max = body_bytes_max
        self._heartbeat_s = heartbeat_s

    def operations(self) -> Sequence[Operation]:
        """What is offered here."""
        return (
            Operation(
                "POST",
                "/v1/chat/completions",
                self,
                "Ask a model",
                "chat",
                Completion,
                scope=Scope.CHAT,
                body=ChatBody,
                parameters=(IDEMPOTENCY_KEY, _CACHE_CONTROL),
                errors=TURN_ERRORS,
                description="OpenAI's contract, streaming and not. With `conversation_id` the server remembers.",
                media=(("text/event-stream", "Chunks, each with an id to resume behind; then `[DONE]`."),),
                examples=(
                    ("a question", {"messages": [{"role": "user", "content": "鹊桥是什么？"}]}),
                    (
                        "streamed, in a conversation",
                        {
                            "messages": [{"role": "user", "content": "再短一点"}],
                            "conversation_id": "talk-1",
                            "stream": True,
                        },
                    ),
                ),
            ),
        )

    async def __call__(self, scope: Request, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            ServiceError: Nothing has been sent yet, and this is why.
            ClientGoneError: The client left.
        """
        self._scheduler.demand_room()
        headers = Headers(scope=scope)
        admitted = await self._gate.enter(scope, Scope.CHAT)
        key = idempotency_key(headers)
        asked = chat_request(await body.read(receive, headers, bytes_max=self._body_bytes_max), headers)
        principal = await self._principals.principal(admitted.user_id)
        view = await self._views.of(headers, admitted)
        self._views.demand_hours(view)
        question = await self._models.real(asked.question)
        if key:
            name_turn(scope, turn_id(admitted.user_id, key))
        request_id: str = scope["state"]["request_id"]
        client = ClientStream(receive, send, heartbeat_s=self._heartbeat_s)
        turn = self._chat.turn(request_id, principal, question)
        try:
            last = await self._relayed(client, turn, scope, view, asked, admitted)
        except ServiceError as error:
            raise view.named(error) from None
        await client.finish(last)

    async def _relayed(
        self, client: ClientStream, turn: Turn, scope: Request, view: View, asked: ChatRequest, admitted: Admitted
    ) -> bytes:
        """Answer as was asked for; answers the bytes that are still to be sent."""
        if asked.stream:
            on_position = self._relay.tell_position(client)
            scheduled = self._scheduled(admitted, turn, on_position)
            return await self._relay.stream(client, scheduled, scope, view, include_usage=asked.include_usage)
        request_id: str = scope["state"]["request_id"]
        return await self._relay.whole(client, self._scheduled(admitted, turn, None), request_id, view)

    @asynccontextmanager
    async def _scheduled(
        self, admitted: Admitted, turn: Turn, on_position: OnPosition | None
    ) -> AsyncIterator[tuple[Started, AsyncIterator[Event]]]:
        """The turn, once it may run."""
        weight = self._gate.weight(admitted)
        async with self._scheduler.turn(admitted.user_id, weight=weight, on_position=on_position), turn as started:
            yield started


def name_turn(scope: Request, request_id: str) -> None:
    """The request is about this turn: its answer and its log line say so."""
    scope["state"]["request_id"] = request_id
    structlog.contextvars.bind_contextvars(request_id=request_id)
