"""A turn's events, passed on to one client as they come."""

from collections.abc import Mapping

import structlog
from starlette.datastructures import Headers
from starlette.types import Scope

from services.gateway.admission.scheduler import OnPosition
from services.gateway.chat import completions
from services.gateway.chat.client_stream import ClientStream
from services.gateway.chat.completions import ChunkWriter, EventId
from services.gateway.chat.domain import Delta, Event, Started
from services.gateway.chat.shown import Shown
from services.gateway.chat.turn_events import Turn, TurnEvents
from services.gateway.edge import http_errors, languages
from services.gateway.metrics import GatewayMetrics
from services.gateway.policy.view import View
from services.runtime.errors import ServiceError
from services.runtime.trace import exemplar

_STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    # Else nginx would collect the stream before it passes it on.
    "X-Accel-Buffering": "no",
}

log = structlog.get_logger()


class Relay:
    """Passes turns on."""

    def __init__(self, metrics: GatewayMetrics) -> None:
        """Measure."""
        self._metrics = metrics

    async def whole(self, client: ClientStream, turn: Turn, request_id: str, view: View) -> bytes:
        """Collect the answer; answers the body that is to be sent."""
        deltas: list[Delta] = []
        async with client.attended(), turn as (started, events):
            headers, model = turn_headers(started), started.model
            async for event in events:
                if isinstance(event, Delta):
                    deltas.append(event)
                elif isinstance(event, Started):
                    model = event.model
                else:
                    completed = event
        answer = completions.completion(
            request_id,
            view.model(model),
            started.created_s,
            deltas,
            completed,
            conversation_id=started.conversation_id,
            ai_label=view.ai_label,
            shown=view.text,
        )
        await client.start(
            {
                "Content-Type": "application/json",
                "Content-Length": str(len(answer)),
                "Cache-Control": "no-store",
                "X-Charged-Micro-Yuan": str(completed.charged_micros),
                **headers,
            }
        )
        return answer

    async def stream(
        self,
        client: ClientStream,
        turn: Turn,
        scope: Scope,
        view: View,
        *,
        include_usage: bool,
        last: EventId | None = None,
    ) -> bytes:
        """Stream the answer, behind the last event that the client has; answers the bytes that are still to be sent.

        Raises:
            ServiceError: Nothing has been sent yet, and this is why.
        """
        try:
            async with client.attended(), turn as (started, events):
                await client.start({**_STREAM_HEADERS, **turn_headers(started)})
                writer = ChunkWriter(
                    scope["state"]["request_id"],
                    view.model(started.model),
                    started.created_s,
                    include_usage=include_usage,
                    conversation_id=started.conversation_id,
                    ai_label=view.ai_label,
                )
                if last is None:
                    client.write(writer.opening())
                rest = await self._relay(client, writer, events, scope, view, last or EventId())
        except ServiceError as error:
            if not client.started:
                raise
            self._metrics.stream_ended("sse", error)
            log.info("stream broke off", reason=error.wire_reason)
            language = languages.language(Headers(scope=scope).get("accept-language"))
            return completions.error_event(http_errors.body(view.named(error), language))
        self._metrics.stream_ended("sse")
        return rest

    @staticmethod
    def tell_position(client: ClientStream) -> OnPosition:
        """Tells the client of a stream its place in the queue, as a comment that OpenAI's clients pass over."""

        async def tell(position: int) -> None:
            await client.start(_STREAM_HEADERS)
            client.write(f": queue {position}\n\n".encode())

        return tell

    async def _relay(
        self,
        client: ClientStream,
        writer: ChunkWriter,
        events: TurnEvents,
        scope: Scope,
        view: View,
        last: EventId,
    ) -> bytes:
        """Pass the answer on; answers its last events."""
        shown = Shown(view, last.position)
        # Events are taken where they arrive; here is the request's own trace.
        begin, trace = scope["state"]["begin"], exemplar()
        first = True
        closing = b""

        def take(event: Event) -> None:
            nonlocal first, closing
            for each in shown(event):
                if isinstance(each, Delta):
                    if first:
                        first = False
                        self._metrics.first_token(begin, trace)
                    client.write(writer.delta(each))
                elif isinstance(each, Started):
                    writer.model = view.model(each.model)
                else:
                    closing = writer.closing(each, received=last.closing)

        with self._metrics.streams_open.labels("sse").track_inprogress():
            await events.pour(take, client)
        return closing


def turn_headers(started: Started) -> Mapping[str, str]:
    """What the headers of an answer say of its turn."""
    headers = {"X-Cache": "hit" if started.cached else "miss"}
    if started.conversation_id:
        headers["X-Conversation-Id"] = started.conversation_id
    if started.replayed:
        headers["Idempotent-Replayed"] = "true"
    if started.dropped:
        headers["X-Dropped-Parameters"] = ", ".join(started.dropped)
    return headers
