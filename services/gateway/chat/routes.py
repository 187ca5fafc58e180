"""`/v1/chat/completions`: one HTTP request becomes one turn."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from starlette.datastructures import Headers
from starlette.types import Receive, Send
from starlette.types import Scope as Request

from services.gateway.admission.gate import Gate
from services.gateway.admission.scheduler import OnPosition
from services.gateway.chat.client_stream import ClientStream
from services.gateway.chat.completions import Completion
from services.gateway.chat.domain import Started
from services.gateway.chat.heartbeats import Heartbeats
from services.gateway.chat.relay import Relay
from services.gateway.chat.requests import ChatBody
from services.gateway.chat.turn_events import TurnEvents
from services.gateway.chat.turns import PreparedTurn, Turns
from services.gateway.edge import body
from services.gateway.edge.live_body import live_body
from services.gateway.edge.operations import IDEMPOTENCY_KEY, Operation, Parameter
from services.gateway.identity.domain import Scope
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
        turns: Turns,
        relay: Relay,
        *,
        body_bytes_max: int,
        heartbeats: Heartbeats,
    ) -> None:
        """Use these."""
        self._gate = gate
        self._turns = turns
        self._relay = relay
        self._body_bytes_max = body_bytes_max
        self._heartbeats = heartbeats

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
        headers = Headers(scope=scope)
        with self._turns.arrival():
            admitted = await self._gate.enter(scope, Scope.CHAT)
        asked = body.parse(await body.read(receive, headers, bytes_max=self._body_bytes_max))
        prepared = await self._turns.prepare(
            admitted, asked, headers, client=headers, request_id=scope["state"]["request_id"]
        )
        name_turn(scope, prepared.request_id)
        client = ClientStream(send, live_body(scope), self._heartbeats)
        try:
            last = await self._relayed(client, scope, prepared)
        except ServiceError as error:
            raise prepared.view.named(error) from None
        await client.finish(last)

    async def _relayed(self, client: ClientStream, scope: Request, prepared: PreparedTurn) -> bytes:
        """Answer as was asked for; answers the bytes that are still to be sent."""
        view, asked = prepared.view, prepared.asked
        if asked.stream:
            turn = self._placed(prepared, self._relay.tell_position(client))
            return await self._relay.stream(client, turn, scope, view, include_usage=asked.include_usage)
        return await self._relay.whole(client, self._placed(prepared, None), prepared.request_id, view)

    @asynccontextmanager
    async def _placed(
        self, prepared: PreparedTurn, on_position: OnPosition | None
    ) -> AsyncIterator[tuple[Started, TurnEvents]]:
        """The turn, once it may run."""
        async with self._turns.place(prepared, on_position), prepared.turn as started:
            yield started


def name_turn(scope: Request, request_id: str) -> None:
    """The request is about this turn: its answer and its log line say so."""
    scope["state"]["request_id"] = request_id
    structlog.contextvars.bind_contextvars(request_id=request_id)
