"""One WebSocket: many turns at once, each a task, and one place that writes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog
from starlette.datastructures import Headers
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from services.gateway.admission.gate import Gate
from services.gateway.chat import frames
from services.gateway.chat.client import ChatClient
from services.gateway.chat.completions import EventId
from services.gateway.chat.domain import Completed, Delta, Event, Started
from services.gateway.chat.shown import Shown
from services.gateway.chat.turn_events import Turn
from services.gateway.chat.turns import Turns
from services.gateway.edge import http_errors
from services.gateway.edge.body import parse, wrong
from services.gateway.edge.languages import Language
from services.gateway.errors import InternalError, InvalidApiKeyError, TooManyTurnsError
from services.gateway.identity.domain import Scope
from services.gateway.identity.ids import new_request_id
from services.gateway.metrics import GatewayMetrics
from services.gateway.policy.view import View, Views
from services.runtime.errors import ServiceError
from services.runtime.trace import adopt_traceparent

# Turns that one socket may have running or waiting.
_TURNS_MAX = 8

# Frames that make no sense, after which whoever sends them is not worth another answer.
_BAD_FRAMES_MAX = 20

# How many frames a client may send at once, and then a second; the rest waits on its side of the wire.
_FRAMES_AT_ONCE = 100
_FRAMES_A_SECOND = 10

# WebSocket close codes: RFC 6455, 7.4.1.
_POLICY_VIOLATION = 1008
_UNSUPPORTED_DATA = 1003

log = structlog.get_logger()


class Socket:
    """Serves one client until it leaves, or misbehaves."""

    def __init__(
        self,
        websocket: WebSocket,
        language: Language,
        gate: Gate,
        turns: Turns,
        views: Views,
        chat: ChatClient,
        metrics: GatewayMetrics,
        *,
        auth_s: float,
        on_user: Callable[[str], None],
    ) -> None:
        """Serve an accepted socket.

        Args:
            websocket: The socket.
            language: What errors are told in.
            gate: Authenticates and admits.
            turns: Prepares turns and gives them their places.
            views: Knows what the client may see.
            chat: Answers.
            metrics: Counts and times turns.
            auth_s: How long the client may take to say who it is.
            on_user: Told who it is, once; may refuse by raising ServiceError.
        """
        self._websocket = websocket
        self._language = language
        self._gate = gate
        self._turns = turns
        self._views = views
        self._chat = chat
        self._metrics = metrics
        self._auth_s = auth_s
        self._on_user = on_user
        self._token = ""
        self._user_id = ""
        self._bad_frames = 0
        # When the next frame would be read by a client that sends as many as it may, all the time.
        self._next_frame = 0.0
        self._running: dict[str, asyncio.Task[None]] = {}
        self._requests: dict[str, str] = {}
        # When turns arrived that have shown no text yet.
        self._arrived: dict[str, float] = {}
        self._writing = asyncio.Lock()

    async def serve(self, token: str) -> None:
        """Read frames until the client leaves; `token` is what it said before the first one, "" nothing."""
        try:
            async with asyncio.TaskGroup() as tasks:
                try:
                    await self._read(tasks, token)
                finally:
                    for task in self._running.values():
                        task.cancel()
        except* WebSocketDisconnect:
            pass

    async def _read(self, tasks: asyncio.TaskGroup, token: str) -> None:
        if token and not await self._served(self._authenticate(token)):
            return
        while self._websocket.client_state is WebSocketState.CONNECTED:
            try:
                async with asyncio.timeout(None if self._user_id else self._auth_s):
                    text = await self._websocket.receive_text()
            except TimeoutError:
                await self._close(InvalidApiKeyError())
                return
            except KeyError:
                # A binary frame.
                await self._websocket.close(_UNSUPPORTED_DATA)
                return
            if not await self._served(self._handle(text, tasks)):
                return
            await self._pace()

    async def _pace(self) -> None:
        """Wait as long as the client is ahead of what it may send: its frames are work that others wait for."""
        now = time.monotonic()
        self._next_frame = max(self._next_frame, now - _FRAMES_AT_ONCE / _FRAMES_A_SECOND) + 1 / _FRAMES_A_SECOND
        if self._next_frame > now:
            await asyncio.sleep(self._next_frame - now)

    async def _served(self, doing: Awaitable[None]) -> bool:
        """Do what the client wants and tell it what goes wrong; answers whether the socket is still open."""
        try:
            await doing
        except InvalidApiKeyError as error:
            await self._close(error)
            return False
        except ServiceError as error:
            self._bad_frames += 1
            await self._fail(None, error)
            if self._bad_frames >= _BAD_FRAMES_MAX:
                await self._websocket.close(_POLICY_VIOLATION)
                return False
        return True

    async def _handle(self, text: str, tasks: asyncio.TaskGroup) -> None:
        match frame := frames.parsed(parse(text.encode("utf-8", "surrogatepass"))):
            case frames.Ping():
                await self._send(frames.PONG)
            case frames.Auth():
                await self._authenticate(frame.token)
                await self._send(frames.authenticated(self._user_id))
            case frames.Cancel():
                await self._cancel(frame.id)
            case frames.Start() | frames.Resume():
                if frame.token:
                    await self._authenticate(frame.token)
                if not self._user_id:
                    raise InvalidApiKeyError
                self._begin(frame, tasks)

    async def _authenticate(self, token: str) -> None:
        # Nothing is counted here: each turn counts by itself, however its token came.
        caller = await self._gate.caller(token, Scope.CHAT)
        if self._user_id and caller.user_id != self._user_id:
            # Whose turns these are does not change under way.
            raise InvalidApiKeyError
        if not self._user_id:
            self._on_user(caller.user_id)
            self._user_id = caller.user_id
        self._token = token

    def _begin(self, frame: frames.Start | frames.Resume, tasks: asyncio.TaskGroup) -> None:
        if frame.id in self._running:
            raise wrong("id", "turn_running")
        if len(self._running) >= _TURNS_MAX:
            raise TooManyTurnsError(
                "Too many turns run on this socket.", metadata={"limit": str(_TURNS_MAX)}, retry_after_s=1
            )
        task = tasks.create_task(self._run(frame))
        self._running[frame.id] = task
        task.add_done_callback(lambda _: self._forget(frame.id))

    def _forget(self, turn: str) -> None:
        self._running.pop(turn, None)
        self._requests.pop(turn, None)
        self._arrived.pop(turn, None)

    async def _run(self, frame: frames.Start | frames.Resume) -> None:
        """Run one turn; whatever goes wrong is told and ends this turn alone."""
        adopt_traceparent(None)
        self._arrived[frame.id] = time.perf_counter()
        try:
            if isinstance(frame, frames.Resume):
                await self._resume(frame)
            else:
                await self._start(frame)
        except WebSocketDisconnect:
            raise
        except ServiceError as error:
            await self._end(frame.id, error)
        except Exception:  # the client gets an answer and no stack trace
            log.exception("unexpected error")
            await self._end(frame.id, InternalError("An unexpected error happened; it has been logged."))
        else:
            self._metrics.stream_ended("ws")

    async def _end(self, turn_name: str, error: ServiceError) -> None:
        self._metrics.stream_ended("ws", error)
        await self._fail(turn_name, error)

    async def _start(self, frame: frames.Start) -> None:
        async def tell(position: int) -> None:
            await self._send(frames.queued(frame.id, position))

        with self._turns.arrival():
            admitted = await self._gate.enter_token(self._token, Scope.CHAT)
        prepared = await self._turns.prepare(
            admitted,
            frame.body,
            Headers(frame.headers),
            client=self._websocket.headers,
            request_id=new_request_id(),
        )
        async with self._turns.place(prepared, tell):
            await self._relay(frame.id, prepared.request_id, prepared.turn, prepared.view, EventId())

    async def _resume(self, frame: frames.Resume) -> None:
        admitted = await self._gate.enter_token(self._token, Scope.CHAT)
        view = await self._views.of(self._websocket.headers, admitted)
        after = 0 if view.hides_code else frame.last.position
        turn = self._chat.resumed(admitted.user_id, frame.request_id, after)
        await self._relay(frame.id, frame.request_id, turn, view, frame.last)

    async def _relay(self, turn_name: str, request_id: str, turn: Turn, view: View, last: EventId) -> None:
        structlog.contextvars.bind_contextvars(request_id=request_id)
        self._requests[turn_name] = request_id
        try:
            with self._metrics.streams_open.labels("ws").track_inprogress():
                await self._relay_events(turn_name, request_id, turn, view, last)
        except ServiceError as error:
            raise view.named(error) from None

    async def _relay_events(self, turn_name: str, request_id: str, turn: Turn, view: View, last: EventId) -> None:
        async with turn as (begun, events):
            await self._send(frames.started(turn_name, request_id, begun, view.model(begun.model)))
            shown = Shown(view, last.position)
            async for event in events:
                for each in shown(event):
                    for frame in self._frames(turn_name, request_id, begun, each, view, last):
                        await self._send(frame)

    def _frames(
        self, turn_name: str, request_id: str, begun: Started, event: Event, view: View, last: EventId
    ) -> Sequence[bytes]:
        """What to send of an event."""
        match event:
            case Delta():
                if (arrived := self._arrived.pop(turn_name, None)) is not None:
                    self._metrics.first_token(arrived)
                return (frames.delta(turn_name, event),)
            case Started():
                return (frames.started(turn_name, request_id, event, view.model(event.model)),)
            case Completed():
                conversation_id, received = begun.conversation_id, last.closing
                return frames.closing(turn_name, conversation_id, event, received=received, ai_label=view.ai_label)

    async def _cancel(self, turn_name: str) -> None:
        """Stop a turn; one that has not been asked yet just leaves the queue."""
        task = self._running.get(turn_name)
        if task is None:
            raise wrong("id", "no_turn")
        request_id = self._requests.get(turn_name)
        if request_id is None:
            task.cancel()
            completed = Completed("cancelled", 0, 0, 0)
            for frame in frames.closing(turn_name, "", completed, received=0):
                await self._send(frame)
        else:
            # The turn then ends by itself, and says so.
            await self._chat.stop(self._user_id, request_id)

    async def _fail(self, turn_name: str | None, error: ServiceError) -> None:
        await self._send(frames.failed(turn_name, http_errors.body(error, self._language), error.retry_after_s))

    async def _close(self, error: ServiceError) -> None:
        await self._fail(None, error)
        await self._websocket.close(_POLICY_VIOLATION)

    async def _send(self, frame: bytes) -> None:
        """Write a frame; waits while the client reads too slowly, and with it the turn that wants to write."""
        async with self._writing:
            if self._websocket.application_state is WebSocketState.CONNECTED:
                await self._websocket.send_text(frame.decode())
