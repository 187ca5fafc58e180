"""`/v1/chat/streams/{request_id}`: a turn's stream, gone on with or stopped."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from services.gateway.admission.gate import Gate
from services.gateway.admission.turn_slots import TurnSlots
from services.gateway.chat.client import ChatClient
from services.gateway.chat.client_stream import ClientStream
from services.gateway.chat.completions import EventId, event_id
from services.gateway.chat.heartbeats import Heartbeats
from services.gateway.chat.relay import Relay
from services.gateway.chat.routes import name_turn
from services.gateway.edge import queries
from services.gateway.edge.body import read_raw, wrong
from services.gateway.edge.live_body import live_body
from services.gateway.edge.operations import Operation, Parameter, id_in_path
from services.gateway.edge.responses import json_response
from services.gateway.identity.domain import Scope
from services.gateway.identity.ids import is_id
from services.gateway.policy.view import Views

_EVENT_ID = {"type": "string", "pattern": "^[0-9]{1,15}(\\.[1-9])?$"}
_RESUME = (
    Parameter("Last-Event-ID", "header", "The last event that the client has; absent: none.", _EVENT_ID),
    Parameter("after", "query", "The same, for clients that cannot send headers.", _EVENT_ID),
    Parameter("include_usage", "query", "Whether usage gets a chunk of its own.", {"type": "boolean"}),
)


class StoppedStream(msgspec.Struct):
    """A turn that is stopped; `cancelled` says whether it was still running."""

    id: str
    cancelled: bool
    object: Literal["chat.stream"] = "chat.stream"


class ChatStreams:
    """An ASGI application of its own, as `ChatCompletions` is."""

    def __init__(
        self, gate: Gate, slots: TurnSlots, views: Views, chat: ChatClient, relay: Relay, heartbeats: Heartbeats
    ) -> None:
        """Use these; the slots are not those of new turns, whose connection may be broken without our knowing yet."""
        self._gate = gate
        self._slots = slots
        self._views = views
        self._chat = chat
        self._relay = relay
        self._heartbeats = heartbeats

    def operations(self) -> Sequence[Operation]:
        """What is offered here."""
        turn = id_in_path("request_id", "The turn's `X-Request-Id`.")
        offered = partial(
            Operation,
            path="/v1/chat/streams/{request_id}",
            endpoint=self,
            tag="chat",
            scope=Scope.CHAT,
            errors=("TURN_NOT_FOUND",),
        )
        return (
            offered(
                method="GET",
                summary="Go on with a stream",
                parameters=(turn, *_RESUME),
                media=(("text/event-stream", "The events behind the last one that the client has."),),
            ),
            offered(method="DELETE", summary="Stop a turn", answer=StoppedStream, parameters=(turn,)),
        )

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            ServiceError: Nothing has been sent yet, and this is why.
            ClientGoneError: The client left.
        """
        request = Request(scope)
        admitted = await self._gate.enter(request.scope, Scope.CHAT)
        user_id = admitted.user_id
        request_id: str = request.path_params["request_id"]
        if not is_id(request_id):
            raise wrong("request_id", "id")
        if scope["method"] == "DELETE":
            await (await self._stop(user_id, request_id))(scope, receive, send)
            return
        options = queries.resume(request.query_params)
        last = _last(request.headers, options.after)
        # Whatever body there is, is not for us; from now on only the client's leaving is heard of.
        await read_raw(receive, request.headers, bytes_max=0)
        name_turn(scope, request_id)
        client = ClientStream(send, live_body(scope), self._heartbeats)
        view = await self._views.of(request.headers, admitted)
        # Whether a block of code is open, only what came before it tells.
        after = last.position if last and not view.hides_code else 0
        turn = self._chat.resumed(user_id, request_id, after)
        with self._slots.occupy(user_id):
            rest = await self._relay.stream(client, turn, scope, view, include_usage=options.include_usage, last=last)
        await client.finish(rest)

    async def _stop(self, user_id: str, request_id: str) -> Response:
        """Stop the turn."""
        running = await self._chat.stop(user_id, request_id)
        return json_response(StoppedStream(request_id, running))


def _last(headers: Headers, after: str) -> EventId | None:
    """The last event that the client has; None when it has none.

    Raises:
        InvalidRequestError: It says something that is no id of ours.
    """
    name, said = ("Last-Event-ID", headers["last-event-id"]) if "last-event-id" in headers else ("after", after)
    if not said:
        return None
    if (last := event_id(said)) is None:
        raise wrong(name, "event_id")
    return last
