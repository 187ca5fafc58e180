"""`/v1/chat/completions`: one HTTP request becomes one turn."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import structlog
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from services.gateway import body, completions, http_errors, messages
from services.gateway.admission import Gate, TurnSlots
from services.gateway.askers import Askers
from services.gateway.client_stream import ClientStream
from services.gateway.clients.chat import ChatClient
from services.gateway.completions import ChunkWriter
from services.gateway.domain import Completed, Delta, Event, Started
from services.gateway.metrics import GatewayMetrics
from services.gateway.requests import chat_request
from services.runtime.errors import ServiceError

_STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    # Else nginx would collect the stream before it passes it on.
    "X-Accel-Buffering": "no",
}

Turn: TypeAlias = AbstractAsyncContextManager[tuple[Started, AsyncIterator[Event]]]

log = structlog.get_logger()


class ChatCompletions:
    """An ASGI application of its own: it writes while the turn runs, and hears when the client leaves."""

    def __init__(
        self,
        gate: Gate,
        slots: TurnSlots,
        askers: Askers,
        chat: ChatClient,
        metrics: GatewayMetrics,
        *,
        body_bytes_max: int,
        heartbeat_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Use these; `clock` answers seconds since 1970 UTC."""
        self._gate = gate
        self._slots = slots
        self._askers = askers
        self._chat = chat
        self._metrics = metrics
        self._body_bytes_max = body_bytes_max
        self._heartbeat_s = heartbeat_s
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            ServiceError: Nothing has been sent yet, and this is why.
            ClientGoneError: The client left.
        """
        headers = Headers(scope=scope)
        user_id = await self._gate.enter(headers)
        asked = chat_request(await body.read(receive, headers, bytes_max=self._body_bytes_max))
        asker = await self._askers.asker(user_id)
        request_id: str = scope["state"]["request_id"]
        client = ClientStream(receive, send, heartbeat_s=self._heartbeat_s)
        with self._slots.occupy(user_id):
            turn = self._chat.turn(request_id, asker, asked.question)
            if asked.stream:
                last = await self._stream(client, turn, scope, include_usage=asked.include_usage)
            else:
                last = await self._whole(client, turn, request_id)
        await client.finish(last)

    async def _whole(self, client: ClientStream, turn: Turn, request_id: str) -> bytes:
        """Collect the answer; answers the body that is to be sent."""
        texts: list[str] = []
        async with client.attended(), turn as (started, events):
            async for event in events:
                if isinstance(event, Delta):
                    texts.append(event.text)
                elif isinstance(event, Completed):
                    completed = event
        answer = completions.completion(request_id, started.model, int(self._clock()), "".join(texts), completed)
        await client.start(
            {
                "Content-Type": "application/json",
                "Content-Length": str(len(answer)),
                "Cache-Control": "no-store",
                **_turn_headers(started),
            }
        )
        return answer

    async def _stream(self, client: ClientStream, turn: Turn, scope: Scope, *, include_usage: bool) -> bytes:
        """Stream the answer; answers the bytes that are still to be sent."""
        state = scope["state"]
        streaming = False
        try:
            async with client.attended(), turn as (started, events):
                await client.start({**_STREAM_HEADERS, **_turn_headers(started)})
                streaming = True
                writer = ChunkWriter(
                    state["request_id"], started.model, int(self._clock()), include_usage=include_usage
                )
                await client.write(writer.opening())
                return await self._relay(client, writer, events, begin=state["begin"])
        except ServiceError as error:
            if not streaming:
                raise
            log.info("stream broke off", reason=error.wire_reason)
            language = messages.language(Headers(scope=scope).get("accept-language"))
            return completions.error_event(http_errors.body(error, language))

    async def _relay(
        self, client: ClientStream, writer: ChunkWriter, events: AsyncIterator[Event], *, begin: float
    ) -> bytes:
        """Pass the answer on; answers its last events."""
        closing = b""
        first = True
        with self._metrics.streams_live.track_inprogress():
            async for event in events:
                if isinstance(event, Delta):
                    if first:
                        first = False
                        self._metrics.first_token_seconds.observe(time.perf_counter() - begin)
                    await client.write(writer.text(event.text))
                elif isinstance(event, Completed):
                    closing = writer.closing(event)
        return closing


def _turn_headers(started: Started) -> Mapping[str, str]:
    headers = {"X-Cache": "miss"}
    if started.conversation_id:
        headers["X-Conversation-Id"] = started.conversation_id
    return headers
