"""`/v1/chat/completions`: one HTTP request becomes one turn."""

import structlog
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from services.gateway.admission.gate import Gate
from services.gateway.admission.turn_slots import TurnSlots
from services.gateway.chat.client import ChatClient
from services.gateway.chat.client_stream import ClientStream
from services.gateway.chat.relay import Relay
from services.gateway.chat.requests import chat_request, idempotency_key
from services.gateway.edge import body
from services.gateway.identity.ids import turn_id
from services.gateway.identity.principals import Principals


class ChatCompletions:
    """An ASGI application of its own: it writes while the turn runs, and hears when the client leaves."""

    def __init__(
        self,
        gate: Gate,
        slots: TurnSlots,
        principals: Principals,
        chat: ChatClient,
        relay: Relay,
        *,
        body_bytes_max: int,
        heartbeat_s: float,
    ) -> None:
        """Use these."""
        self._gate = gate
        self._slots = slots
        self._principals = principals
        self._chat = chat
        self._relay = relay
        self._body_bytes_max = body_bytes_max
        self._heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            ServiceError: Nothing has been sent yet, and this is why.
            ClientGoneError: The client left.
        """
        headers = Headers(scope=scope)
        user_id = await self._gate.enter(headers)
        key = idempotency_key(headers)
        asked = chat_request(await body.read(receive, headers, bytes_max=self._body_bytes_max), headers)
        principal = await self._principals.principal(user_id)
        if key:
            name_turn(scope, turn_id(user_id, key))
        request_id: str = scope["state"]["request_id"]
        client = ClientStream(receive, send, heartbeat_s=self._heartbeat_s)
        with self._slots.occupy(user_id):
            turn = self._chat.turn(request_id, principal, asked.question)
            if asked.stream:
                last = await self._relay.stream(client, turn, scope, include_usage=asked.include_usage)
            else:
                last = await self._relay.whole(client, turn, request_id)
        await client.finish(last)


def name_turn(scope: Scope, request_id: str) -> None:
    """The request is about this turn: its answer and its log line say so."""
    scope["state"]["request_id"] = request_id
    structlog.contextvars.bind_contextvars(request_id=request_id)
